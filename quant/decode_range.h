// The elements of a range, one after the other, by a format's decoder: what packers fall back to, and the oracle of
// those that do it in vectors.
#pragma once
#include <algorithm>

#include "quant/codes.h"
#include "quant/formats.h"
#include "quant/host_table.h"

namespace tandem {

// to(code) for the codes of elements [begin, end).
template <int bits, class To>
void for_each_code(const std::byte* codes, std::int64_t begin, std::int64_t end, To&& to) {
    for (; begin < end && begin % 8 != 0; begin++) to(EightCodes<bits>(codes, begin / 8)[int(begin % 8)]);
    for (; begin + 8 <= end; begin += 8) {
        const EightCodes<bits> eight(codes, begin / 8);
        for (int k = 0; k < 8; k++) to(eight[k]);
    }
    for (; begin < end; begin++) to(EightCodes<bits>(codes, begin / 8)[int(begin % 8)]);
}

// out[i] = T(value) of flat element begin + i, for the elements up to `end`.
template <class Decoder, class T>
void decode_range(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin, std::int64_t end,
                  T* out) {
    constexpr int bits = Decoder::bits;
    const Decoder decoder(weight, at);
    if constexpr (Decoder::run == 1) {
        std::uint32_t group = begin < end ? Decoder::group_of(at, begin) : 0;
        for_each_code<bits>(weight, begin, end, [&](std::uint32_t code) {
            *out++ = T(decoder.value(code, decoder.scale(Decoder::load(weight, at, group))));
            group = Decoder::next_group(at, group);
        });
    } else {
        for (std::int64_t stop = begin; begin < end; begin = stop) {
            stop = std::min(Decoder::group_end(at, begin), end);
            const auto scale = decoder.scale(Decoder::load(weight, at, Decoder::group_of(at, begin)));
            auto value = [&](std::uint32_t code) { return T(decoder.value(code, scale)); };
            if constexpr (bits <= 4) {
                T values[1 << bits];
                for (std::uint32_t code = 0; code < 1u << bits; code++) values[code] = value(code);
                for_each_code<bits>(weight, begin, stop, [&](std::uint32_t code) { *out++ = values[code]; });
            } else {
                for_each_code<bits>(weight, begin, stop, [&](std::uint32_t code) { *out++ = value(code); });
            }
        }
    }
}

}  // namespace tandem
