// Strips of 32-bit units: a float, or a pair of bf16 that follow each other along k.
#include <algorithm>
#include <type_traits>

#include "ops/gemm/avx2.h"
#include "ops/gemm/machines.h"

namespace tandem {

namespace {
TANDEM_AVX2 inline __m256i load_pairs(const bf16* p, std::int64_t count) {
    if (count >= 16) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    alignas(32) bf16 buffer[16] = {};
    if (count > 0) std::memcpy(buffer, p, std::size_t(count) * sizeof(bf16));
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(buffer));
}

// 8 units along k of one line, of which `count` elements are valid.
template <class Panel, class Source> TANDEM_AVX2 inline __m256i load_along_k(const Source* p, std::int64_t count) {
    if constexpr (std::is_same_v<Panel, bf16>) return load_pairs(p, count);
    else return _mm256_castps_si256(avx2::load(p, count));
}

// One unit of each of 8 lines, of which `count` are valid; p is at the first of `steps` valid elements along k.
template <class Panel, class Source>
TANDEM_AVX2 inline __m256i load_across(const Source* p, std::int64_t stride, std::int64_t count, std::int64_t steps) {
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

TANDEM_AVX2 inline void store_units(std::uint32_t* out, __m256i units, int count) {
    if (count == 8) _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), units);
    else _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(units));
}

// Up to 8 lines and 8 units along k: the first `lines` and `elements` are valid, `units` are stored, of `group` lines.
template <class Panel, class Source>
TANDEM_AVX2 [[gnu::always_inline]] inline void pack_8x8(const Source* p, std::int64_t stride, std::int64_t lines, std::int64_t elements,
                            std::uint32_t* to, std::int64_t width, std::int64_t units, int group) {
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
    constexpr std::int64_t whole = 8 * sizeof(float) / sizeof(Panel);
    const std::int64_t width = layout.width, units = block.padded_k / layout.step, stride = block.stride, k = block.k;
    const int group = width % 8 ? 4 : 8;
    for (std::int64_t strip = 0; strip < block.lines; strip += width, out += units * width) {
        for (std::int64_t first = 0; first < width; first += group) {
            const std::int64_t lines = std::min<std::int64_t>(group, block.lines - strip - first);
            const Source* p = static_cast<const Source*>(block.data) + (strip + first) * stride;
            std::uint32_t* to = out + first;
            std::int64_t done = 0;
            if (lines == 8)
                for (; done + whole <= k; done += whole, to += 8 * width)
                    pack_8x8<Panel>(p + done, stride, 8, whole, to, width, 8, 8);
            for (; done < block.padded_k; done += whole, to += 8 * width)
                pack_8x8<Panel>(p + done, stride, lines, k - done, to, width, (block.padded_k - done) / layout.step, group);
        }
    }
}

// Stored rows are read whole, from the first strip to the last: neighbours in a row are neighbours in memory.
template <class Panel, class Source>
TANDEM_AVX2 void pack_across(const PackBlock& block, StripLayout layout, std::uint32_t* out) {
    const int group = layout.width % 8 ? 4 : 8;
    const std::int64_t units = block.padded_k / layout.step;
    for (std::int64_t unit = 0; unit < units; unit++) {
        const std::int64_t k = unit * layout.step, left = block.k - k;
        const Source* p = static_cast<const Source*>(block.data) + k * block.stride;
        for (std::int64_t strip = 0; strip < block.lines; strip += layout.width) {
            std::uint32_t* to = out + strip * units + unit * layout.width;
            for (int first = 0; first < layout.width; first += group) {
                const std::int64_t lines = left > 0 ? block.lines - strip - first : 0;
                store_units(to + first, load_across<Panel>(p + strip + first, block.stride, lines, left), group);
            }
        }
    }
}

template <class Panel, class Source> void pack_from(const PackBlock& block, StripLayout layout, std::uint32_t* out) {
    if (block.along_k) pack_along_k<Panel, Source>(block, layout, out);
    else pack_across<Panel, Source>(block, layout, out);
}
}  // namespace

template <> void pack_avx2<float>(const PackBlock& block, StripLayout layout, void* strips) {
    std::uint32_t* out = static_cast<std::uint32_t*>(strips);
    if (block.dtype == DType::bf16) pack_from<float, bf16>(block, layout, out);
    else pack_from<float, float>(block, layout, out);
}

template <> void pack_avx2<bf16>(const PackBlock& block, StripLayout layout, void* strips) {
    pack_from<bf16, bf16>(block, layout, static_cast<std::uint32_t*>(strips));
}

}  // namespace tandem
