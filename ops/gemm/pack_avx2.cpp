// Strips of 32-bit units: a float, or a pair of bf16 that follow each other along k.
#include <algorithm>
#include <type_traits>

#include "ops/gemm/avx2.h"
#include "ops/gemm/machines.h"

namespace tandem {

namespace {
template <class Panel> constexpr std::int64_t step_of = sizeof(float) / sizeof(Panel);  // elements along k in a unit

constexpr int group_of(std::int64_t width) { return width % 8 ? 4 : 8; }  // lines that are stored at once

TANDEM_AVX2 inline __m256i load_pairs(const bf16* p, std::int64_t count) {
    if (count >= 16) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    alignas(32) bf16 buffer[16] = {};
    if (count > 0) std::memcpy(buffer, p, std::size_t(count) * sizeof(bf16));
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(buffer));
}

// 8 units along k of one line, of which `count` elements are valid.
template <class Panel, class Source> TANDEM_AVX2 inline __m256i load_along_k(const Source* p, std::int64_t count) {
    if constexpr (std::is_same_v<Panel, bf16>)
        return load_pairs(p, count);
    else
        return _mm256_castps_si256(avx2::load(p, count));
}

// One unit of each of 8 lines, of which `count` are valid; p is at the first of `steps` valid elements along k.
template <class Panel, class Source>
TANDEM_AVX2 [[gnu::always_inline]] inline __m256i load_across(const Source* p, std::int64_t stride, std::int64_t count,
                                                              std::int64_t steps) {
    if constexpr (std::is_same_v<Panel, bf16>) {
        const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(avx2::load(p, count)), 16);
        return steps > 1 ? _mm256_or_si256(low, _mm256_castps_si256(avx2::load(p + stride, count))) : low;
    } else {
        return _mm256_castps_si256(avx2::load(p, count));
    }
}

// Row i becomes lane i. Loops over registers are unrolled, or they would be an array in memory.
TANDEM_AVX2 inline void transpose_8x8(__m256i (&v)[8]) {
    __m256i a[8], b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
}

TANDEM_AVX2 [[gnu::always_inline]] inline void store_units(std::uint32_t* out, __m256i units, int count) {
    if (count == 8)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), units);
    else
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(units));
}

// Up to 8 lines and 8 units along k: the first `lines` and `elements` are valid, `units` are stored, of `group` lines.
template <class Panel, class Source>
TANDEM_AVX2 [[gnu::always_inline]] inline void pack_8x8(const Source* p, std::int64_t stride, std::int64_t lines,
                                                        std::int64_t elements, std::uint32_t* to, std::int64_t width,
                                                        std::int64_t units, int group) {
    __m256i v[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) v[i] = load_along_k<Panel>(p + i * stride, i < lines ? elements : 0);
    transpose_8x8(v);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        if (i < units) store_units(to + i * width, v[i], group);
}

template <class Panel, class Source>
TANDEM_AVX2 void pack_along_k(const PackBlock& block, StripLayout layout, std::uint32_t* out) {
    constexpr std::int64_t step = step_of<Panel>, turn = 8 * step;
    const std::int64_t width = layout.width, stride = block.stride, k = block.k;
    const int group = group_of(width);
    for (std::int64_t strip = 0; strip < block.lines; strip += width) {
        for (std::int64_t first = 0; first < width; first += group) {
            const std::int64_t lines = std::min<std::int64_t>(group, block.lines - strip - first);
            const Source* p = static_cast<const Source*>(block.data) + (strip + first) * stride;
            std::uint32_t* to = out + strip * block.padded_k / step + first;
            std::int64_t done = 0;
            for (; lines == 8 && done + turn <= k; done += turn, to += 8 * width)
                pack_8x8<Panel>(p + done, stride, 8, turn, to, width, 8, 8);
            for (; done < block.padded_k; done += turn, to += 8 * width)
                pack_8x8<Panel>(p + done, stride, lines, k - done, to, width, (block.padded_k - done) / step, group);
        }
    }
}

// One unit of the lines of a strip. All are valid if Whole; else `lines`, and `elements` along k.
template <class Panel, bool Whole, class Source>
TANDEM_AVX2 [[gnu::always_inline]] inline void pack_unit(const Source* p, std::int64_t stride, std::int64_t lines,
                                                         std::int64_t elements, std::uint32_t* to, std::int64_t width) {
    const int group = Whole ? 8 : group_of(width);
    for (std::int64_t i = 0; i < width; i += group)
        store_units(to + i,
                    Whole ? load_across<Panel>(p + i, stride, 8, step_of<Panel>)
                          : load_across<Panel>(p + i, stride, elements > 0 ? lines - i : 0, elements),
                    group);
}

template <class Source> TANDEM_AVX2 inline void prefetch(const Source* p, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += 64 / sizeof(Source))
        _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
}

// Strips are filled by turns, a little each: the start of the next may fall on the same cache sets as this one's. The
// stored rows of the next turn are fetched meanwhile: each is on a page of its own, where the hardware does not look.
template <class Panel, class Source>
TANDEM_AVX2 void pack_across(const PackBlock& block, StripLayout layout, std::uint32_t* out) {
    constexpr std::int64_t step = step_of<Panel>, turn = 8 * step;
    const std::int64_t width = layout.width, stride = block.stride;
    for (std::int64_t begin = 0; begin < block.padded_k; begin += turn) {
        for (std::int64_t strip = 0; strip < block.lines; strip += width) {
            const std::int64_t lines = std::min(width, block.lines - strip);
            for (std::int64_t k = begin; k < std::min(begin + turn, block.padded_k); k += step) {
                const Source* p = static_cast<const Source*>(block.data) + k * stride + strip;
                std::uint32_t* to = out + (strip * block.padded_k + k * width) / step;
                for (std::int64_t i = turn; i < turn + step && k + i < block.k; i++) prefetch(p + i * stride, lines);
                if (width % 8 == 0 && lines == width && k + step <= block.k)
                    pack_unit<Panel, true>(p, stride, lines, step, to, width);
                else
                    pack_unit<Panel, false>(p, stride, lines, block.k - k, to, width);
            }
        }
    }
}

template <class Panel, class Source> void pack_from(const PackBlock& block, StripLayout layout, std::uint32_t* out) {
    if (block.along_k)
        pack_along_k<Panel, Source>(block, layout, out);
    else
        pack_across<Panel, Source>(block, layout, out);
}
}  // namespace

template <> void pack_avx2<float>(const PackBlock& block, StripLayout layout, void* strips) {
    std::uint32_t* out = static_cast<std::uint32_t*>(strips);
    if (block.dtype == DType::bf16)
        pack_from<float, bf16>(block, layout, out);
    else
        pack_from<float, float>(block, layout, out);
}

template <> void pack_avx2<bf16>(const PackBlock& block, StripLayout layout, void* strips) {
    pack_from<bf16, bf16>(block, layout, static_cast<std::uint32_t*>(strips));
}

}  // namespace tandem
