// Double quantization: the absmax of a tensor, less their mean, as 8-bit dynamic codes with a scale per nested block.
#pragma once
#include <cstdint>

namespace tandem {

class ThreadPool;

// How the absmax are summed for their mean, in double, on any machine: pieces of `piece`; in each, lane l adds elements
// l, l + lanes, … in order, and the upper half of the lanes is added to the lower until one is left; then the sums of
// the pieces in the same way, as if they were one piece.
struct AbsmaxSum {
    static constexpr std::int64_t piece = 4096;
    static constexpr int lanes = 32;
    static constexpr std::int64_t pieces(std::int64_t blocks) { return (blocks + piece - 1) / piece; }
};

struct DoubleQuantized {
    std::uint8_t* codes;   // [blocks], into signed_dynamic_map()
    float* nested_absmax;  // [ceil(blocks / nested_block)]
    float* offset;         // [1], the mean
};
void double_quantize(const float* absmax, std::int64_t blocks, int nested_block, const DoubleQuantized& out,
                     ThreadPool& pool);

}  // namespace tandem
