// The loop that every 4-bit block format shares: scale, look up the code, pack two codes into a byte.
#pragma once
#include <algorithm>
#include <cstdint>

namespace tandem {

// Codes of x[i] * inverse_absmax, element 2i in the high nibble; an odd n is padded with the code of 0.
template <class Code>
void encode_block(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed, Code code) {
    constexpr int width = 32;  // constant trip counts: compilers vectorise these loops at -O2
    auto encode = [&](const float* from, std::uint8_t* to) {
        std::int32_t codes[width];
        for (int j = 0; j < width; j++) codes[j] = code(from[j] * inverse_absmax);
        for (int j = 0; j < width / 2; j++) to[j] = std::uint8_t(codes[2 * j] << 4 | codes[2 * j + 1]);
    };
    std::int64_t i = 0;
    for (; i + width <= n; i += width) encode(x + i, packed + i / 2);
    if (i == n) return;
    float tail[width] = {};
    std::uint8_t bytes[width / 2];
    std::copy(x + i, x + n, tail);
    encode(tail, bytes);
    std::copy_n(bytes, (n - i + 1) / 2, packed + i / 2);
}

}  // namespace tandem
