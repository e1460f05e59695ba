// What tells one 4-bit block format from another.
#pragma once
#include <array>
#include <cstdint>

#include "quant/block4/block4.h"

namespace tandem {

struct CodeBook {
    const std::array<float, 16>& values;
    void (*encode)(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed);
};
CodeBook code_book(Block4::Book book);

}  // namespace tandem
