// What tells one 4-bit block format from another.
#pragma once
#include <array>
#include <cstdint>

#include "quant/quant_tensor.h"

namespace tandem {

struct Block4Format {
    const std::array<float, 16>& code_book;
    void (*encode)(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed);
};

// Throws Error for a spec that is no 4-bit block format, and for no elements.
Block4Format block4_format(const QuantSpec& spec, std::int64_t elements);

}  // namespace tandem
