// Sums cut along k, so that a product of few tiles still fills a card: each part leaves its sums in f32 in scratch, and
// they are added in order. The cut follows the shape alone.
#pragma once
#include <cstdint>

#include "runtime/cuda/cuda_device.h"
#include "runtime/dtype.h"

namespace tandem {

struct SplitK {
    std::int64_t parts;
    std::int64_t steps;  // of k in each part but the last, which may have fewer
};

// `tiles` blocks without a cut, `steps` of k each, of which a part keeps at least `least`; the sums of `elements`.
SplitK split_k(std::int64_t tiles, std::int64_t steps, std::int64_t least, std::int64_t elements);

// c[i] = alpha * (sum of parts' i-th elements, in order) + addend[i] + bias[i % columns], rounded once.
struct PartialSums {
    const float* sums;  // [parts, elements]
    std::int64_t parts, elements, columns;
    DType c_type;
    std::byte* c;
    const std::byte* addend = nullptr;  // of c's type; may be c itself; null: none
    const std::byte* bias = nullptr;    // [columns] of c's type; null: none
    float alpha = 1;
};
void add_partial_sums(const CudaDevice& device, const PartialSums& args);

}  // namespace tandem
