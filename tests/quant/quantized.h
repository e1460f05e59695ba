// A weight quantized for a test, and the bytes it lives in.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/rng.h"
#include "tests/quant/encoded.h"

namespace tandem {

// The parts of a weight in a 4-bit block format.
struct Block4View {
    const std::uint8_t* codes;
    const float* absmax;               // null when nested
    const std::uint8_t* absmax_codes;  // null unless nested, as are the rest but the code book
    const float *nested_absmax, *code_book, *nested_map, *offset;

    Block4View(const Block4& spec, std::int64_t elements, const std::byte* bytes) {
        const QuantParts parts = spec.parts(1, elements);
        auto find = [&]<class T>(const char* name, T) -> const T* {
            for (const QuantPart& p : parts)
                if (std::string_view(p.name) == name) return reinterpret_cast<const T*>(bytes + p.at);
            return nullptr;
        };
        codes = find("codes", std::uint8_t());
        absmax = spec.nested ? nullptr : find("absmax", float());
        absmax_codes = spec.nested ? find("absmax", std::uint8_t()) : nullptr;
        nested_absmax = find("nested_absmax", float());
        code_book = find("quant_map", float());
        nested_map = find("nested_quant_map", float());
        offset = find("nested_offset", float());
    }
};

struct Quantized : Encoded {
    Block4View view;

    Quantized(const Block4& spec, const std::vector<float>& x, int threads = 1)
        : Encoded(spec, x, threads), view(spec, tensor.cols, bytes.data()) {}
};

// N(0, 1) (Box and Muller, 1958).
inline std::vector<float> normal_weights(std::size_t n, std::uint64_t seed) {
    constexpr double two_pi = 6.283185307179586;
    std::vector<float> x;
    for (std::uint32_t c = 0; x.size() < n; c += 4) {
        const PhiloxBits bits = random_bits(philox_key(seed, {0, 0}), {0, 0, 0, c});
        for (int i = 0; i < 4; i += 2) {
            const double radius = std::sqrt(-2 * std::log((bits[i] + 0.5) * 0x1p-32));  // the argument is never 0
            const double angle = two_pi * (bits[i + 1] * 0x1p-32);
            x.push_back(float(radius * std::cos(angle)));
            x.push_back(float(radius * std::sin(angle)));
        }
    }
    x.resize(n);
    return x;
}

}  // namespace tandem
