#include "dist/cast/cast.h"

namespace tandem {

void cast(const CpuDevice&, const Tensor& from, const Tensor& to) {
    const float* values = from.as<float>();
    visit_compute(to.dtype(), [&]<class T>() {
        T* out = to.as<T>();
        for (std::int64_t i = 0; i < to.elements(); i++) out[i] = T(values[i]);
    });
}

}  // namespace tandem
