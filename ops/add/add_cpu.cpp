#include "ops/add/add_kernels.h"
#include "ops/simd/parallel.h"

namespace tandem {

void add_forward(const CpuDevice& device, const AddForward& args) {
    visit_compute(args.y.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const T *a = args.a.as<T>(), *b = args.b.as<T>();
        T* y = args.y.as<T>();
        simd::parallel_blocks(device, args.y.elements(), [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
            for (std::int64_t i = begin; i < end; i++) y[i] = T(A(a[i]) + A(b[i]));
        });
    });
}

}  // namespace tandem
