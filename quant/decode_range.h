// The elements of a range, one after the other, by a format's decoder: what packers fall back to, and the oracle of
// those that do it in vectors.
#pragma once
#include <algorithm>
#include <array>

#include "quant/formats.h"
#include "quant/host_table.h"

namespace tandem {

// out[i] = T(value) of flat element begin + i, for the elements up to `end`.
template <class Decoder, class T>
void decode_range(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin, std::int64_t end,
                  T* out) {
    static_assert(Decoder::bits == 4);
    const Decoder decoder(weight, at);
    const int group_log2 = Decoder::group_log2(at);
    const auto* codes = reinterpret_cast<const std::uint8_t*>(weight);
    for (std::int64_t i = begin; i < end;) {
        const std::int64_t group = i >> group_log2, stop = std::min((group + 1) << group_log2, end);
        const float scale = decoder.scale(Decoder::load(weight, at, std::uint32_t(group)));
        std::array<T, 16> value;
        for (std::uint32_t code = 0; code < 16; code++) value[code] = T(decoder.value(code, scale));
        if (i & 1) *out++ = value[codes[i++ / 2] & 15];
        for (; i + 1 < stop; i += 2) {
            const std::uint8_t pair = codes[i / 2];
            *out++ = value[pair >> 4];
            *out++ = value[pair & 15];
        }
        if (i < stop) *out++ = value[codes[i++ / 2] >> 4];
    }
}

}  // namespace tandem
