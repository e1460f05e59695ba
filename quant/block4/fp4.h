// FP4 as bitsandbytes has it: a sign bit and one of eight magnitudes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tandem {

inline constexpr std::array<float, 8> fp4_magnitudes = {0.0f,     1 / 192.0f, 2 / 3.0f, 1.0f,
                                                        1 / 3.0f, 1 / 2.0f,   1 / 6.0f, 1 / 4.0f};

inline constexpr std::array<float, 16> fp4_code_book = [] {
    std::array<float, 16> book{};
    for (std::size_t k = 0; k < 8; k++) {
        book[k] = fp4_magnitudes[k];
        book[k + 8] = 0 - fp4_magnitudes[k];  // code 8 is +0, as bitsandbytes writes it
    }
    return book;
}();

// Between neighbouring magnitudes, whose codes in ascending order are fp4_ascending. The decimals of bitsandbytes' GPU
// kernels; its CPU path takes the fp32 midpoints, from which five differ in the last digits, so exact ties may go the
// other way there.
inline constexpr std::array<float, 7> fp4_thresholds = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                                        0.4166667f,  0.583333f,  0.8333333f};
inline constexpr std::array<int, 8> fp4_ascending = {0, 1, 6, 7, 4, 5, 2, 3};

// The code nearest to v in [-1, 1]; a tie takes the smaller magnitude. Each step turns one magnitude's code into the
// next's: without branches, so that loops over it vectorise.
constexpr int fp4_code(float v) {
    const float m = v < 0 ? -v : v;
    const int sign = v < 0 ? 8 : 0;  // negative zero is code 0
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return (sign ^ ... ^ (m > fp4_thresholds[K] ? fp4_ascending[K] ^ fp4_ascending[K + 1] : 0));
    }(std::make_index_sequence<7>());
}

void fp4_encode(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed);

}  // namespace tandem
