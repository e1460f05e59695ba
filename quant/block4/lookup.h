// Codes of a 4-bit block format by table, for cards: [-1, 1] is cut into intervals of which none has two thresholds, so
// that one comparison finds the code.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tandem {

// Entry i is for the v that round to interval_scale * v = i (mod 32): a warp keeps an entry in each lane.
struct CodeLookup {
    float threshold[32];      // infinity where the interval has none
    std::uint32_t codes[32];  // of v at or below the threshold in bits 0 to 3, above it in bits 4 to 7
};

// Narrow enough to part the thresholds of NF4 and FP4, which are 0.0797 apart or more; and 1 and -1, the more so what a
// rounding makes of them, do not meet in an entry.
inline constexpr float interval_scale = 15;

// `codes`: of the values between the thresholds, in ascending order.
template <std::size_t n>
constexpr CodeLookup code_lookup(const std::array<float, n>& thresholds, const std::array<int, n + 1>& codes) {
    auto interval = [](float v) { return int(double(interval_scale) * double(v) + 16.5) - 16; };
    CodeLookup lookup{};
    for (int lane = 0; lane < 32; lane++) {
        const int mine = lane < 16 ? lane : lane - 32;
        std::size_t below = 0, inside = 0;
        lookup.threshold[lane] = std::numeric_limits<float>::infinity();
        for (float t : thresholds) {
            below += interval(t) < mine;
            if (interval(t) != mine) continue;
            inside++;
            lookup.threshold[lane] = t;
        }
        if (inside > 1) throw "two thresholds in one interval";  // does not compile
        lookup.codes[lane] = std::uint32_t(codes[below] | codes[below + inside] << 4);
    }
    return lookup;
}

}  // namespace tandem
