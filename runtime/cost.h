// What an op must do at least: arithmetic, and bytes read and written once each.
#pragma once
#include <algorithm>

#include "runtime/tensor.h"

namespace tandem {

struct Cost {
    double flops = 0;
    double bytes = 0;
    Cost& operator+=(const Cost& o) {
        flops += o.flops;
        bytes += o.bytes;
        return *this;
    }
};

namespace cost {
// Every tensor is read or written once, with a few flops per element of the largest.
template <class... T> Cost elementwise(const T&... tensors) {
    Cost c;
    ((c.bytes += double(tensors.bytes()), c.flops = std::max(c.flops, double(tensors.elements()))), ...);
    return c;
}
// [m, k] times [k, n]; bytes of the three operands.
inline Cost matmul(std::int64_t m, std::int64_t n, std::int64_t k, double bytes) {
    return {2.0 * double(m) * double(n) * double(k), bytes};
}
}  // namespace cost

}  // namespace tandem
