// Double quantization: the absmax of a tensor, less their mean, as 8-bit dynamic codes with a scale per nested block.
#pragma once
#include <cstdint>

#include "runtime/thread_pool.h"

namespace tandem {

struct DoubleQuantized {
    std::uint8_t* codes;   // [blocks], into signed_dynamic_map()
    float* nested_absmax;  // [ceil(blocks / nested_block)]
    float* offset;         // [1], the mean
};
void double_quantize(const float* absmax, std::int64_t blocks, int nested_block, const DoubleQuantized& out,
                     ThreadPool& pool);

}  // namespace tandem
