// Where an elementwise op's gradient goes.
#pragma once
#include "runtime/context.h"

namespace tandem::simd {

// out[i] = addend[i] + f(i) for i in [begin, end), summed in the accumulation type and rounded once. The addend may be
// `out` itself: no element reads another's place.
template <class T, class F> void write_gradient(const GradOut& to, std::int64_t begin, std::int64_t end, F f) {
    if (!to) return;
    T* out = to.out.as<T>();
    if (to.addend) {
        const T* addend = to.addend.as<T>();
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; i++) out[i] = T(accumulate_t<T>(addend[i]) + f(i));
    } else {
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; i++) out[i] = T(f(i));
    }
}

}  // namespace tandem::simd
