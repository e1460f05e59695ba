#include <limits>

#include "ops/attention/tile_kernels.h"

#if defined(__x86_64__)
// GCC 12 takes the undefined vectors inside its own intrinsics for mistakes (bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

// One set of targets for all: bf16 instructions stand only where they are written, in functions of bf16.
#define TANDEM_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")))

namespace tandem::tiles {

namespace {

constexpr int lanes = 16;
constexpr int vectors = tile / lanes;

TANDEM_AVX512 inline __mmask16 first_lanes(int n) { return __mmask16((1u << std::clamp(n, 0, lanes)) - 1); }
TANDEM_AVX512 inline __mmask32 first_halves(int n) { return __mmask32((std::uint64_t(1) << std::clamp(n, 0, 32)) - 1); }
// Of the 16 columns from `at` on, those in [begin, end).
TANDEM_AVX512 inline __mmask16 window_lanes(int begin, int end, int at) {
    return __mmask16(first_lanes(end - at) & ~first_lanes(begin - at));
}

TANDEM_AVX512 inline __m512 load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
TANDEM_AVX512 inline __m512 load(const bf16* p, __mmask16 mask) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}
TANDEM_AVX512 inline void store(float* p, __m512 v, __mmask16 mask) { _mm512_mask_storeu_ps(p, mask, v); }
TANDEM_AVX512 inline void store(bf16* p, __m512 v, __mmask16 mask) {
    _mm256_mask_storeu_epi16(p, mask, (__m256i)_mm512_cvtneps_pbh(v));
}

// exp(x) = 2^n e^r, |r| <= ln 2 / 2, ln 2 in two parts; e^r = 1 + r + r^2 q(r) with q of degree 4 fitted to a relative
// error of 0.06 * 2^-24 in e^r. What is left is the rounding of the last two steps: below 1 ulp measured.
TANDEM_AVX512 inline __m512 exp(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-200.0f), x);  // underflows to 0; NaN stays (the second operand)
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p0f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e400p-1f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
    __m512 q = _mm512_set1_ps(0x1.6a2434p-10f);
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.1239e2p-7f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.5558f2p-5f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.555492p-3f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.fffffcp-2f));
    const __m512 e = _mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r);
    return _mm512_scalef_ps(_mm512_add_ps(e, _mm512_set1_ps(1)), n);
}

// Row i of the result is column i of the rows given.
TANDEM_AVX512 inline void transpose(__m512i (&v)[lanes]) {
    __m512i t[lanes];
#pragma GCC unroll 8
    for (int i = 0; i < lanes; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i += 4) {  // v[i + c]: column c of every quarter, rows i to i + 3
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512i even_low = _mm512_shuffle_i32x4(v[c], v[4 + c], 0x88),
                      odd_low = _mm512_shuffle_i32x4(v[c], v[4 + c], 0xdd);
        const __m512i even_high = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0x88);
        const __m512i odd_high = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0xdd);
        t[c] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        t[8 + c] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        t[12 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; i++) v[i] = t[i];
}

// 16 units of 32 bits: floats, or pairs of bf16; zeros after `width` elements.
TANDEM_AVX512 inline __m512i load_units(const float* p, int width) {
    return _mm512_maskz_loadu_epi32(first_lanes(width), p);
}
TANDEM_AVX512 inline __m512i load_units(const bf16* p, int width) {
    return _mm512_maskz_loadu_epi16(first_halves(width), p);
}

template <class T> TANDEM_AVX512 void pack_transposed(const Source<T>& a, T* packed) {
    constexpr int step = depth_step<T>;
    const int units = round_up(a.width, step) / step;
    for (int row = 0; row < round_up(a.rows, panel); row += lanes) {
        T* to = packed + (row / panel * units * panel + row % panel) * step;
        for (int unit = 0; unit < units; unit += lanes) {
            __m512i v[lanes];
#pragma GCC unroll 16
            for (int i = 0; i < lanes; i++)
                v[i] = row + i < a.rows ? load_units(a.data + (row + i) * a.stride + unit * step, a.width - unit * step)
                                        : _mm512_setzero_si512();
            transpose(v);
#pragma GCC unroll 16
            for (int i = 0; i < lanes; i++)
                if (unit + i < units) _mm512_storeu_si512(to + std::int64_t(unit + i) * panel * step, v[i]);
        }
    }
}

TANDEM_AVX512 void pack_f32(const Source<float>& a, float* packed) {
    for (int at = 0; at < round_up(a.width, panel); at += lanes) {
        float* to = packed + at / panel * tile * panel + at % panel;
        const __mmask16 mask = first_lanes(a.width - at);
        for (int r = 0; r < a.rows; r++) _mm512_storeu_ps(to + r * panel, load(a.data + r * a.stride + at, mask));
    }
}

TANDEM_AVX512 void pack_source(const Source<bf16>& a, bf16* packed) {
    const __m512i pair = _mm512_set1_epi32(0x00200000);  // column c of the first row, column c of the second (32 + c)
    const __m512i step = _mm512_set1_epi32(0x00010001);
    const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i low = _mm512_add_epi32(pair, _mm512_mullo_epi32(count, step));
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(0x00100010));
    for (int at = 0; at < a.width; at += panel) {
        bf16* to = packed + at * tile;
        const __mmask32 mask = first_halves(a.width - at);
        for (int r = 0; r < a.rows; r += 2) {
            const bf16* from = a.data + r * a.stride + at;
            const __m512i even = _mm512_maskz_loadu_epi16(mask, from);
            const __m512i odd =
                r + 1 < a.rows ? _mm512_maskz_loadu_epi16(mask, from + a.stride) : _mm512_setzero_si512();
            _mm512_storeu_si512(to + r * panel, _mm512_permutex2var_epi16(even, low, odd));
            _mm512_storeu_si512(to + r * panel + panel, _mm512_permutex2var_epi16(even, high, odd));
        }
    }
}

TANDEM_AVX512 inline __m512 multiply(const float* a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(_mm512_set1_ps(*a), b, c);
}
TANDEM_AVX512 inline __m512 multiply(const bf16* a, __m512 b, __m512 c) {
    std::int32_t pair;
    __builtin_memcpy(&pair, a, sizeof(pair));
    return _mm512_dpbf16_ps(c, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_castps_si512(b));
}

template <class T, int rows> TANDEM_AVX512 void multiply_rows(const Product<T>& p) {
    constexpr int step = depth_step<T>;
    __m512 c[rows][2];
    const T* a[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        a[r] = p.a + r * p.a_stride;
        c[r][0] = p.into == Into::add ? _mm512_loadu_ps(p.c + r * p.c_stride) : _mm512_setzero_ps();
        c[r][1] = p.into == Into::add ? _mm512_loadu_ps(p.c + r * p.c_stride + lanes) : _mm512_setzero_ps();
    }
    const T* b = p.packed;
    for (int k = 0; k < p.depth; k += step, b += panel * step) {
        const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + lanes * step);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            c[r][0] = multiply(a[r] + k, b0, c[r][0]);
            c[r][1] = multiply(a[r] + k, b1, c[r][1]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(p.c + r * p.c_stride, c[r][0]);
        _mm512_storeu_ps(p.c + r * p.c_stride + lanes, c[r][1]);
    }
}

template <class T> TANDEM_AVX512 void product(const Product<T>& p) {
    if (p.rows <= block_rows / 2)
        multiply_rows<T, block_rows / 2>(p);
    else
        multiply_rows<T, block_rows>(p);
}

template <class T> TANDEM_AVX512 void softmax(const Softmax<T>& a) {
    const __m512 scale = _mm512_set1_ps(a.scale), nothing = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    for (int r = 0; r < a.window.rows; r++) {
        const int end = a.window.end(r);
        __m512 s[vectors], max = _mm512_set1_ps(a.max[r]), sum = _mm512_setzero_ps();
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++) {
            const __mmask16 mask = first_lanes(end - i * lanes);
            s[i] = _mm512_mask_mul_ps(nothing, mask, load(a.s + r * tile + i * lanes, mask), scale);
            max = _mm512_max_ps(max, s[i]);
        }
        const float top = _mm512_reduce_max_ps(max);
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++) {
            const __m512 e = exp(_mm512_sub_ps(s[i], _mm512_set1_ps(top)));
            sum = _mm512_add_ps(sum, e);
            store(a.p + r * tile + i * lanes, e, 0xffff);
        }
        const float added = _mm512_reduce_add_ps(sum);
        if (a.max[r] == top) {
            a.sum[r] += added;
            continue;
        }
        const __m512 shrink = exp(_mm512_set1_ps(a.max[r] - top));
        a.sum[r] = a.sum[r] * _mm512_cvtss_f32(shrink) + added;
        a.max[r] = top;
        float* y = a.y + std::int64_t(r) * a.width;
        for (int d = 0; d < a.width; d += lanes) _mm512_storeu_ps(y + d, _mm512_mul_ps(_mm512_loadu_ps(y + d), shrink));
    }
}

template <class T> TANDEM_AVX512 void score_gradient(const ScoreGradient<T>& a) {
    const bool by_row = a.window.kind == Columns::keys;
    const __m512 scale = _mm512_set1_ps(a.scale);
    for (int r = 0; r < a.window.rows; r++) {
        const int begin = a.window.begin(r), end = a.window.end(r);
#pragma GCC unroll 4
        for (int at = 0; at < tile; at += lanes) {
            const __mmask16 mask = window_lanes(begin, end, at);
            const __m512 lse = by_row ? _mm512_set1_ps(a.lse[r]) : load(a.lse + at, mask);
            const __m512 delta = by_row ? _mm512_set1_ps(a.delta[r]) : load(a.delta + at, mask);
            const __m512 s = load(a.s + r * tile + at, mask), dp = load(a.dp + r * tile + at, mask);
            const __m512 p = _mm512_maskz_mov_ps(mask, exp(_mm512_fmsub_ps(s, scale, lse)));
            if (a.p) store(a.p + r * tile + at, p, 0xffff);
            store(a.ds + r * tile + at, _mm512_mul_ps(p, _mm512_sub_ps(dp, delta)), 0xffff);
        }
    }
}

template <class T> TANDEM_AVX512 void output(const OutputTile<T>& a) {
    for (int i = 0; i < a.width; i += lanes) {
        const __mmask16 mask = first_lanes(a.width - i);
        __m512 v = _mm512_mul_ps(load(a.c + i, mask), _mm512_set1_ps(a.factor));
        if (a.addend) v = _mm512_add_ps(load(a.addend + i, mask), v);
        store(a.out + i, v, mask);
    }
}

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

template <> const Kernels<double>* avx512_kernels() { return nullptr; }
template <> const Kernels<float>* avx512_kernels() {
    static const Kernels<float> all = {pack_f32,       pack_transposed<float>, product<float>,
                                       softmax<float>, score_gradient<float>,  output<float>};
    return has_avx512() ? &all : nullptr;
}
template <> const Kernels<bf16>* avx512_kernels() {
    static const Kernels<bf16> all = {pack_source,     pack_transposed<bf16>, product<bf16>,
                                      softmax<bf16>, score_gradient<bf16>,  output<bf16>};
    return has_avx512() && __builtin_cpu_supports("avx512bf16") ? &all : nullptr;
}

}  // namespace tandem::tiles

#else

namespace tandem::tiles {
template <> const Kernels<double>* avx512_kernels() { return nullptr; }
template <> const Kernels<float>* avx512_kernels() { return nullptr; }
template <> const Kernels<bf16>* avx512_kernels() { return nullptr; }
}  // namespace tandem::tiles

#endif
