// The signed 8-bit dynamic map, as bitsandbytes makes it (Dettmers et al., 8-bit Optimizers via Block-wise
// Quantization, 2022).
#pragma once
#include <array>
#include <cstdint>

namespace tandem {

struct DynamicMap {
    std::array<float, 256> value;     // ascending
    std::array<float, 255> midpoint;  // of value[i] and value[i + 1], in fp32

    // The nearest entry to x in [-1, 1]; a tie takes the lower.
    std::uint8_t nearest(float x) const {
        int code = 0;
        for (int step = 128; step; step /= 2) code += x > midpoint[std::size_t(code + step - 1)] ? step : 0;
        return std::uint8_t(code);
    }
};

const DynamicMap& signed_dynamic_map();  // -0.99296875 .. 1, 0 at 127: second-level scales

}  // namespace tandem
