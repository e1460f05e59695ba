// exp in arithmetic that vectorises.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace tandem::simd {

// e^x = 2^k e^r with k = round(x / ln 2) and |r| <= ln 2 / 2; ln 2 is split so that k times its upper part is exact,
// and e^r is a polynomial (Cephes' expf). Error below 2 ulp; below 1 ulp of the smallest number where the result is
// subnormal. Infinite above 88.73, zero below -104, NaN for NaN.
inline float exp(float x) {
    constexpr float to_integer = 0x1.8p23f;  // adding it rounds to an integer, held in the low bits
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const float shifted = x * 1.44269504f + to_integer, k = shifted - to_integer;
    const float r = x - k * 0.693359375f - k * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    // 2^k as two factors: 2^128 and 2^-150 are no floats.
    const std::int32_t exponent = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(to_integer);
    const std::int32_t half = exponent >> 1;
    const float low = std::bit_cast<float>(std::uint32_t(half + 127) << 23);
    const float high = std::bit_cast<float>(std::uint32_t(exponent - half + 127) << 23);
    return p * low * high;
}

inline double exp(double x) { return std::exp(x); }

}  // namespace tandem::simd
