// The largest magnitude of a run of floats.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

namespace tandem {

inline constexpr std::int32_t magnitude_of_infinity = 0x7f800000;

// max |x| as its bit pattern: ordered as the floats are, with infinity and NaN above all of them; and a maximum of
// integers vectorises where one of floats may not be reordered.
inline std::int32_t max_magnitude_bits(const float* x, std::int64_t n) {
    constexpr int width = 16;
    auto magnitude = [](float v) { return std::bit_cast<std::int32_t>(v) & 0x7fffffff; };
    std::int32_t lanes[width] = {};
    std::int64_t i = 0;
    for (; i + width <= n; i += width)
        for (int j = 0; j < width; j++) lanes[j] = std::max(lanes[j], magnitude(x[i + j]));
    for (; i < n; i++) lanes[0] = std::max(lanes[0], magnitude(x[i]));
    return *std::max_element(lanes, lanes + width);
}

}  // namespace tandem
