// Arithmetic with a stated rounding, and the fast functions. The host's are more exact than a card's fast ones.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

using std::max;
using std::min;

inline float rsqrtf(float v) { return 1.0f / std::sqrt(v); }
inline double rsqrt(double v) { return 1.0 / std::sqrt(v); }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float v) { return std::sqrt(v); }
inline float __frsqrt_rn(float v) { return float(1.0 / std::sqrt(double(v))); }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __fdividef(float a, float b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double v) { return std::sqrt(v); }
inline double __drcp_rn(double v) { return 1.0 / v; }

inline float __saturatef(float v) { return v > 0 ? (v < 1 ? v : 1) : 0; }

namespace cudasim {
// As cvt does: out of range is the nearest integer that there is, NaN is zero.
template <class Int> Int saturated(float v) {
    using Limits = std::numeric_limits<Int>;
    if (v != v) return 0;
    if (v <= float(Limits::min())) return Limits::min();
    if (v >= std::ldexp(1.0f, Limits::digits)) return Limits::max();
    return Int(v);
}
}  // namespace cudasim
inline int __float2int_rn(float v) { return cudasim::saturated<int>(std::nearbyint(v)); }
inline int __float2int_rz(float v) { return cudasim::saturated<int>(std::trunc(v)); }
inline int __float2int_rd(float v) { return cudasim::saturated<int>(std::floor(v)); }
inline int __float2int_ru(float v) { return cudasim::saturated<int>(std::ceil(v)); }
inline unsigned __float2uint_rn(float v) { return cudasim::saturated<unsigned>(std::nearbyint(v)); }
inline unsigned __float2uint_rz(float v) { return cudasim::saturated<unsigned>(std::trunc(v)); }
inline float __int2float_rn(int v) { return float(v); }
inline float __uint2float_rn(unsigned v) { return float(v); }
inline float __ull2float_rn(unsigned long long v) { return float(v); }
inline float __double2float_rn(double v) { return float(v); }

inline void __sincosf(float v, float* sine, float* cosine) {
    *sine = std::sin(v);
    *cosine = std::cos(v);
}
// Macros, because glibc declares functions of these very names.
#define __expf(x) ::expf(x)
#define __exp10f(x) ::exp10f(x)
#define __logf(x) ::logf(x)
#define __log2f(x) ::log2f(x)
#define __log10f(x) ::log10f(x)
#define __sinf(x) ::sinf(x)
#define __cosf(x) ::cosf(x)
#define __tanf(x) ::tanf(x)
#define __powf(x, y) ::powf(x, y)
