#include <algorithm>
#include <cmath>

#include "ops/all_finite/all_finite_kernels.h"

namespace tandem {

void all_finite_kernel(const CpuDevice&, const Tensor& x, const Tensor& out) {
    visit_compute(x.dtype(), [&]<class T>() {
        const T* values = x.as<T>();
        bool finite = std::all_of(values, values + x.elements(), [](T v) { return std::isfinite(accumulate_t<T>(v)); });
        *out.as<double>() = finite ? 1 : 0;
    });
}

}  // namespace tandem
