// The toolkit's header has host versions of everything but fused multiply-add and transcendental functions.
#pragma once
#include_next <cuda_bf16.h>

#include <cmath>

// A float holds the product of two bf16 exactly, and a double its sum with a third unless their exponents are more than
// 29 apart: then the double rounds, and the second rounding is the same but for ties.
inline __nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c) {
    return __double2bfloat16(double(__bfloat162float(a)) * __bfloat162float(b) + __bfloat162float(c));
}
inline __nv_bfloat162 __hfma2(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) {
    return __halves2bfloat162(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));
}
inline __nv_bfloat16 hexp(__nv_bfloat16 a) { return __float2bfloat16_rn(std::exp(__bfloat162float(a))); }
inline __nv_bfloat16 hrsqrt(__nv_bfloat16 a) { return __float2bfloat16_rn(1 / std::sqrt(__bfloat162float(a))); }
