// NF4, the 4-bit NormalFloat (Dettmers et al., QLoRA, 2023), with the values that bitsandbytes gives it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tandem {

inline constexpr std::array<float, 16> nf4_code_book = {
    -1.0f,                -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f,  0.7229568362236023f,  1.0f};

inline constexpr std::array<float, 15> nf4_midpoints = [] {
    std::array<float, 15> mid{};
    for (std::size_t k = 0; k < 15; k++) mid[k] = (nf4_code_book[k] + nf4_code_book[k + 1]) / 2;
    return mid;
}();

// The code nearest to v in [-1, 1]; a tie takes the lower. Without branches, so that loops over it vectorise.
constexpr int nf4_code(float v) {
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return (int(v > nf4_midpoints[K]) + ...);
    }(std::make_index_sequence<15>());
}

void nf4_encode(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed);

}  // namespace tandem
