#include <fmt/core.h>

#include <cstring>

#include "ops/gemm/matmul.h"
#include "ops/lm_head/lm_head_kernels.h"
#include "ops/lm_head/softmax_row.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

void check_targets(const LossForward& a, std::int64_t vocab) {
    const std::int32_t *rows = a.targets.rows.as<std::int32_t>(), *targets = a.targets.targets.as<std::int32_t>();
    for (std::int64_t i = a.begin; i < a.end; i++)
        if (rows[i] < 0 || rows[i] >= a.h.rows() || targets[i] < 0 || targets[i] >= vocab)
            throw Error(fmt::format("[lm_head_loss] target {} of row {} is outside the vocabulary of {}", targets[i],
                                    rows[i], vocab));
}

}  // namespace

void lm_head_logits(const CpuDevice& device, const Tensor& h, const WeightBytes& w, const Tensor& logits) {
    matmul(device, product(logits, h.dim(-1), operand(h), transposed(w.bytes)));
}

void lm_head_rows(const CpuDevice& device, const LossForward& a) {
    std::size_t row_bytes = std::size_t(a.h.dim(-1)) * size_of(a.h.dtype());
    const std::int32_t* rows = a.targets.rows.as<std::int32_t>();
    check_targets(a, a.logits.dim(-1));
    device.pool->parallel_for(a.end - a.begin, [&](std::int64_t i) {
        std::memcpy(a.hidden.data() + std::size_t(i) * row_bytes,
                    a.h.data() + std::size_t(rows[a.begin + i]) * row_bytes, row_bytes);
    });
    lm_head_logits(device, a.hidden, a.weight, a.logits);
}

void lm_head_losses(const CpuDevice& device, const LossForward& a) {
    std::int64_t vocab = a.logits.dim(-1), count = a.end - a.begin;
    const std::int32_t* targets = a.targets.targets.as<std::int32_t>();
    visit_compute(a.h.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        simd::parallel(device, count, [&](std::int64_t i) {
            a.losses.as<double>()[a.begin + i] = softmax_row(a.logits.as<A>() + i * vocab, vocab, targets[a.begin + i]);
        });
    });
}

void lm_head_dlogits(const CpuDevice& device, const LossBackward& b) {
    const LossForward& a = b.forward;
    std::int64_t vocab = a.logits.dim(-1), count = a.end - a.begin;
    const std::int32_t* targets = a.targets.targets.as<std::int32_t>();
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
    });
}

void lm_head_gradients(const CpuDevice& device, const LossBackward& b) {
    const LossForward& a = b.forward;
    std::int64_t vocab = a.logits.dim(-1), width = a.h.dim(-1), count = a.end - a.begin;
    const std::int32_t* rows = a.targets.rows.as<std::int32_t>();
    visit_compute(a.h.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        if (b.dh) {
            matmul(device, product(b.dhidden, vocab, operand(b.dlogits), operand(a.weight.bytes)));
            simd::parallel(device, count, [&](std::int64_t i) {
                const T* from = b.dhidden.as<T>() + i * width;
                T* to = b.dh.out.as<T>() + rows[a.begin + i] * width;
#pragma GCC ivdep
                for (std::int64_t j = 0; j < width; j++) to[j] = T(A(to[j]) + A(from[j]));
            });
        }
    });
    if (!b.dweight) return;
    matmul(device, product(b.dweight.out, count, transposed(b.dlogits), operand(a.hidden), b.dweight.addend));
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
