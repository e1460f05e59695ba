// See cuda_bf16.h.
#pragma once
#include_next <cuda_fp16.h>

#include <cmath>

inline __half __hfma(__half a, __half b, __half c) {
    return __double2half(double(__half2float(a)) * __half2float(b) + __half2float(c));
}
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) {
    return __halves2half2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));
}
inline __half hexp(__half a) { return __float2half_rn(std::exp(__half2float(a))); }
inline __half hrsqrt(__half a) { return __float2half_rn(1 / std::sqrt(__half2float(a))); }
