#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "ops/gemm/tensor_gemm.h"
#include "ops/lm_head/lm_head_kernels.h"
#include "ops/simd/exp.h"
#include "ops/simd/parallel.h"
#include "ops/simd/sum.h"

namespace tandem {

namespace {

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

void check_targets(const LossForward& a, std::int64_t vocab) {
    const std::int32_t *rows = a.targets.rows.as<std::int32_t>(), *targets = a.targets.targets.as<std::int32_t>();
    for (std::int64_t i = a.begin; i < a.end; i++)
        if (rows[i] < 0 || rows[i] >= a.h.rows() || targets[i] < 0 || targets[i] >= vocab)
            throw Error(fmt::format("[lm_head_loss] target {} of row {} is outside the vocabulary of {}", targets[i],
                                    rows[i], vocab));
}

}  // namespace

void lm_head_logits(const CpuDevice& device, const Tensor& h, const WeightBytes& w, const Tensor& logits) {
    gemm(device, product(logits, h.dim(-1), operand(h), transposed(w.bytes)));
}

void lm_head_loss_forward(const CpuDevice& device, const LossForward& a) {
    std::int64_t vocab = a.logits.dim(-1), count = a.end - a.begin;
    std::size_t row_bytes = std::size_t(a.h.dim(-1)) * size_of(a.h.dtype());
    const std::int32_t *rows = a.targets.rows.as<std::int32_t>(), *targets = a.targets.targets.as<std::int32_t>();
    check_targets(a, vocab);
    device.pool->parallel_for(count, [&](std::int64_t i) {
        std::memcpy(a.hidden.data() + std::size_t(i) * row_bytes,
                    a.h.data() + std::size_t(rows[a.begin + i]) * row_bytes, row_bytes);
    });
    lm_head_logits(device, a.hidden, a.weight, a.logits);
    visit_compute(a.h.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        simd::parallel(device, count, [&](std::int64_t i) {
            a.losses.as<double>()[a.begin + i] = softmax_row(a.logits.as<A>() + i * vocab, vocab, targets[a.begin + i]);
        });
    });
}

void lm_head_loss_backward(const CpuDevice& device, const LossBackward& b) {
    const LossForward& a = b.forward;
    std::int64_t vocab = a.logits.dim(-1), width = a.h.dim(-1), count = a.end - a.begin;
    const std::int32_t *rows = a.targets.rows.as<std::int32_t>(), *targets = a.targets.targets.as<std::int32_t>();
    visit_compute(a.h.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const A scale = A(a.scale);
        simd::parallel(device, count, [&, scale](std::int64_t i) {
            A* p = a.logits.as<A>() + i * vocab;
            T* d = b.dlogits.as<T>() + i * vocab;
            p[targets[a.begin + i]] -= A(1);
#pragma GCC ivdep
            for (std::int64_t j = 0; j < vocab; j++) d[j] = T(p[j] * scale);
        });
        if (b.dh) {
            gemm(device, product(b.dhidden, vocab, operand(b.dlogits), operand(a.weight.bytes)));
            simd::parallel(device, count, [&](std::int64_t i) {
                const T* from = b.dhidden.as<T>() + i * width;
                T* to = b.dh.out.as<T>() + rows[a.begin + i] * width;
#pragma GCC ivdep
                for (std::int64_t j = 0; j < width; j++) to[j] = T(A(to[j]) + A(from[j]));
            });
        }
    });
    if (!b.dweight) return;
    GemmArgs g = product(b.dweight.out, count, transposed(b.dlogits), operand(a.hidden));
    g.addend = b.dweight.addend.data();
    gemm(device, g);
}

void lm_head_loss_sum(const CpuDevice&, const Tensor& losses, double scale, const Tensor& out) {
    double sum = 0;
    for (std::int64_t i = 0; i < losses.elements(); i++) sum += losses.as<double>()[i];
    *out.as<double>() = sum * scale;
}

void lm_head_gradient_start(const CpuDevice&, const GradOut& dh) {
    if (!dh.addend)
        std::memset(dh.out.data(), 0, dh.out.bytes());
    else if (dh.addend.data() != dh.out.data())
        std::memcpy(dh.out.data(), dh.addend.data(), dh.out.bytes());
}

}  // namespace tandem
