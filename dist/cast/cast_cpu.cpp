#include "dist/cast/cast.h"

namespace tandem {

void cast(const CpuDevice&, const Tensor& from, const Tensor& to) {
    visit_compute(to.dtype(), [&]<class T>() {
        const float* in = from.as<float>();
        T* out = to.as<T>();
        for (std::int64_t i = 0; i < from.elements(); i++) out[i] = T(in[i]);
    });
}

}  // namespace tandem
