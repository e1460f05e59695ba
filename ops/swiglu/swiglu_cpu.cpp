#include "ops/simd/exp.h"
#include "ops/simd/gradient.h"
#include "ops/simd/parallel.h"
#include "ops/swiglu/swiglu_kernels.h"

namespace tandem {

namespace {

template <class A> A sigmoid(A g) { return A(1) / (A(1) + simd::exp(-g)); }

}  // namespace

void swiglu_forward(const CpuDevice& device, const SwigluForward& args) {
    visit_compute(args.y.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const T *gate = args.gate.as<T>(), *up = args.up.as<T>();
        T* y = args.y.as<T>();
        simd::parallel_blocks(device, args.y.elements(), [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
            for (std::int64_t i = begin; i < end; i++) y[i] = T(A(gate[i]) * sigmoid(A(gate[i])) * A(up[i]));
        });
    });
}

// With s = sigmoid(g): d silu / dg = s (1 + g (1 - s)).
void swiglu_backward(const CpuDevice& device, const SwigluBackward& args) {
    visit_compute(args.dy.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const T *gate = args.gate.as<T>(), *up = args.up.as<T>(), *dy = args.dy.as<T>();
        simd::parallel_blocks(device, args.dy.elements(), [&, gate, up, dy](std::int64_t begin, std::int64_t end) {
            simd::write_gradient<T>(args.dgate, begin, end, [=](std::int64_t i) {
                A g = A(gate[i]), s = sigmoid(g);
                return A(dy[i]) * A(up[i]) * (s * (A(1) + g * (A(1) - s)));
            });
            simd::write_gradient<T>(args.dup, begin, end, [=](std::int64_t i) {
                A g = A(gate[i]);
                return A(dy[i]) * (g * sigmoid(g));
            });
        });
    });
}

}  // namespace tandem
