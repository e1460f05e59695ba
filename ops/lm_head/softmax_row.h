// Softmax cross-entropy of one row on the CPU.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/simd/exp.h"
#include "ops/simd/parallel.h"
#include "ops/simd/sum.h"

namespace tandem {

// Leaves the softmax in `logits`; returns -log of the target's part.
template <class A> double softmax_row(A* logits, std::int64_t vocab, std::int32_t target) {
    const A highest = simd::largest(vocab, logits);
    const double at_target = double(logits[target]) - double(highest);
    double sum = 0;
    for (std::int64_t begin = 0; begin < vocab; begin += simd::block) {
        const std::int64_t count = std::min(simd::block, vocab - begin);
        A* part = logits + begin;
        for (std::int64_t i = 0; i < count; i++) part[i] = simd::exp(part[i] - highest);
        sum += simd::sum<double>(count, [part](std::int64_t i) { return double(part[i]); });
    }
    const A inverse = A(1 / sum);
    for (std::int64_t i = 0; i < vocab; i++) logits[i] *= inverse;
    return std::log(sum) - at_target;
}

}  // namespace tandem
