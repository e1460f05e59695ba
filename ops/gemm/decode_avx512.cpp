// The values of a group's codes are made once, in a register; an element is then one lane of a permutation by them.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in <immintrin.h>: GCC bug 105593
#include <immintrin.h>

#include <algorithm>

#include "ops/gemm/range_decoder.h"
#include "quant/decode_range.h"
#include "runtime/dtype.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace tandem {

namespace {
// To nearest even in the low half of each lane, as bf16(float) does.
TARGET inline __m512i round_to_bf16(__m512 v) {
    const __m512i bits = _mm512_castps_si512(v), one = _mm512_set1_epi32(1);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, quiet), 16);
}

// 16 bytes of codes of 4 bits, one per lane. With less than 32 elements to come, the bytes behind them are not read.
TARGET inline __m512i load_codes(const std::uint8_t* codes, std::int64_t count) {
    if (count >= 32) return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(__mmask16((1u << (count + 1) / 2) - 1), codes));
}

// Up to 32 elements from a whole byte on; an index counts by its low 5 bits, so the table is there twice.
TARGET inline void look_up(__m512i table, const std::uint8_t* codes, std::int64_t count, bf16* out) {
    const __m512i pair = load_codes(codes, count);
    const __m512i index = _mm512_or_si512(_mm512_srli_epi32(pair, 4), _mm512_slli_epi32(pair, 16));
    const __m512i values = _mm512_permutexvar_epi16(index, table);
    if (count >= 32)
        _mm512_storeu_si512(out, values);
    else
        _mm512_mask_storeu_epi16(out, (__mmask32(1) << count) - 1, values);
}

TARGET inline void look_up(__m512 table, const std::uint8_t* codes, std::int64_t count, float* out) {
    const __m512i pair = load_codes(codes, count);
    const __m512 even = _mm512_permutexvar_ps(_mm512_srli_epi32(pair, 4), table);
    const __m512 odd = _mm512_permutexvar_ps(pair, table);
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    const __mmask32 lanes = count >= 32 ? ~__mmask32(0) : (__mmask32(1) << count) - 1;
    _mm512_mask_storeu_ps(out, __mmask16(lanes), _mm512_permutex2var_ps(even, low, odd));
    _mm512_mask_storeu_ps(out + 16, __mmask16(lanes >> 16), _mm512_permutex2var_ps(even, high, odd));
}

TARGET inline __m512i make_table(__m512 values, bf16) {
    const __m256i rounded = _mm512_cvtepi32_epi16(round_to_bf16(values));
    return _mm512_inserti64x4(_mm512_castsi256_si512(rounded), rounded, 1);
}
TARGET inline __m512 make_table(__m512 values, float) { return values; }

// As two halves, which is how they are stored: a load of more than a store wrote would wait for the memory.
TARGET inline __m512 load_values(const float (&v)[16]) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_load_ps(v)), _mm256_load_ps(v + 8), 1);
}

// Codes of less than 4 bits: sixteen from the eight `at` on, each in the lowest bits of its lane, below others. With 8
// elements or less to come, the second eight are not read.
template <int bits> TARGET inline __m512i load_sixteen(const std::byte* codes, std::int64_t at, std::int64_t count) {
    using Eight = EightCodes<bits>;
    const Eight first(codes, at), second(codes, count > 8 ? at + 1 : at);
    const __m512i words = _mm512_inserti64x4(_mm512_set1_epi32(int(first.word())),
                                             _mm256_set1_epi32(int(second.word())), 1);
    const __m256i shifts =
        _mm256_setr_epi32(Eight::shift(0), Eight::shift(1), Eight::shift(2), Eight::shift(3), Eight::shift(4),
                          Eight::shift(5), Eight::shift(6), Eight::shift(7));
    return _mm512_srlv_epi32(words, _mm512_inserti64x4(_mm512_castsi256_si512(shifts), shifts, 1));
}

// Up to 16 elements.
TARGET inline void store_values(__m512 values, std::int64_t count, float* out) {
    _mm512_mask_storeu_ps(out, count >= 16 ? __mmask16(~0) : __mmask16((1u << count) - 1), values);
}
TARGET inline void store_values(__m512 values, std::int64_t count, bf16* out) {
    const __m256i rounded = _mm512_cvtepi32_epi16(round_to_bf16(values));
    _mm256_mask_storeu_epi16(out, count >= 16 ? __mmask16(~0) : __mmask16((1u << count) - 1), rounded);
}

// Elements [begin, stop) of one group. `values`: of its codes, each at every number that has the code in its lowest
// bits.
template <int bits, class T> TARGET inline void decode_group(const std::byte* weight, const float (&values)[16],
                                                             std::int64_t begin, std::int64_t stop, T* out) {
    if constexpr (bits == 4) {
        const auto* codes = reinterpret_cast<const std::uint8_t*>(weight);
        const auto table = make_table(load_values(values), T{});
        if (begin % 2) {
            *out++ = T(values[codes[begin / 2] & 15]);
            begin++;
        }
        for (; begin < stop; begin += 32, out += 32) look_up(table, codes + begin / 2, stop - begin, out);
    } else {
        const __m512 table = load_values(values);
        for (; begin < stop && begin % 8; begin++)
            *out++ = T(values[EightCodes<bits>(weight, begin / 8)[int(begin % 8)]]);
        for (; begin < stop; begin += 16, out += 16) {
            const __m512i index = load_sixteen<bits>(weight, begin / 8, stop - begin);
            store_values(_mm512_permutexvar_ps(index, table), stop - begin, out);
        }
    }
}

template <class Decoder, class T>
TARGET void decode(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin, std::int64_t end,
                   T* out) {
    const Decoder decoder(weight, at);
    while (begin < end) {
        const std::int64_t stop = std::min(end, Decoder::group_end(at, begin));
        const auto scale = decoder.scale(Decoder::load(weight, at, Decoder::group_of(at, begin)));
        alignas(32) float values[16];
        for (std::uint32_t i = 0; i < 16; i++) values[i] = decoder.value(i % (1u << Decoder::bits), scale);
        decode_group<Decoder::bits>(weight, values, begin, stop, out);
        out += stop - begin;
        begin = stop;
    }
}

// Without a table: the compiler's vectors.
template <class Decoder, class T>
[[gnu::flatten]] TARGET void decode_each(const std::byte* weight, const typename Decoder::Places& at,
                                         std::int64_t begin, std::int64_t end, T* out) {
    decode_range<Decoder>(weight, at, begin, end, out);
}

template <class Decoder> struct Avx512Loop {
    static void run(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin, std::int64_t end,
                    DType dtype, void* out) {
        if (dtype == DType::bf16)
            run(weight, at, begin, end, static_cast<bf16*>(out));
        else
            run(weight, at, begin, end, static_cast<float*>(out));
    }
    template <class T> static void run(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin,
                                       std::int64_t end, T* out) {
        if constexpr (Decoder::bits <= 4 && Decoder::run > 1)
            decode<Decoder>(weight, at, begin, end, out);
        else
            decode_each<Decoder>(weight, at, begin, end, out);
    }
};
}  // namespace

RangeDecoder avx512_decoder(const QuantTensor& weight) { return RangeDecoder::of<Avx512Loop>(weight); }

}  // namespace tandem
