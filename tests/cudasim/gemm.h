// A float matrix product for the cuBLASLt slice.
#pragma once
#include <cstdint>

namespace cudasim {

// c[m, n] = a[m, k] b[k, n], all dense row-major. Each element is summed in the order of k in float within blocks of
// 256, and the blocks' sums are added in order: the same bits whatever vectors the machine has.
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c);

}  // namespace cudasim
