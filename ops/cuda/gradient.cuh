// Where an elementwise op's gradient goes.
#pragma once
#include "runtime/cuda/vector.cuh"

namespace tandem {

// out[i...] = addend[i...] + value, summed in f32 and rounded once. A null addend is none; it may be `out` itself.
template <class T, int width>
__device__ __forceinline__ void store_gradient(T* out, const T* addend, std::int64_t i, Vector<float, width> value) {
    if (addend) {
        const Vector<float, width> before = load<width>(addend + i);
#pragma unroll
        for (int k = 0; k < width; k++) value[k] = before[k] + value[k];
    }
    Vector<T, width> rounded;
#pragma unroll
    for (int k = 0; k < width; k++) rounded[k] = from_float<T>(value[k]);
    store(out + i, rounded);
}

}  // namespace tandem
