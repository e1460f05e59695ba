// Loads and stores of 8 elements as floats; of the first `count`, when that is less.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "runtime/dtype.h"

#define TANDEM_AVX2 __attribute__((target("avx2")))

namespace tandem::avx2 {

TANDEM_AVX2 inline __m256 widen(__m128i halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// To nearest even, as bf16(float) does.
TANDEM_AVX2 inline __m128i round_to_bf16(__m256 v) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i halves = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(halves, halves), 0x88));
}

// Zeros behind what is loaded.
TANDEM_AVX2 inline __m256 load(const float* p, std::int64_t count) {
    if (count >= 8) return _mm256_loadu_ps(p);
    float buffer[8] = {};
    if (count > 0) std::memcpy(buffer, p, std::size_t(count) * sizeof(float));
    return _mm256_loadu_ps(buffer);
}

TANDEM_AVX2 inline __m256 load(const bf16* p, std::int64_t count) {
    if (count >= 8) return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    bf16 buffer[8] = {};
    if (count > 0) std::memcpy(buffer, p, std::size_t(count) * sizeof(bf16));
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(buffer)));
}

TANDEM_AVX2 inline void store(float* p, __m256 v, std::int64_t count) {
    if (count >= 8) return _mm256_storeu_ps(p, v);
    float buffer[8];
    _mm256_storeu_ps(buffer, v);
    std::memcpy(p, buffer, std::size_t(count) * sizeof(float));
}

TANDEM_AVX2 inline void store(bf16* p, __m256 v, std::int64_t count) {
    const __m128i halves = round_to_bf16(v);
    if (count >= 8) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
    bf16 buffer[8];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(buffer), halves);
    std::memcpy(p, buffer, std::size_t(count) * sizeof(bf16));
}

}  // namespace tandem::avx2
