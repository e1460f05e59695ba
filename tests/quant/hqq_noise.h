// Weights in HQQ whose codes, scales and zeros are drawn, and what they stand for.
#pragma once
#include <cstring>

#include "tests/quant/quantized.h"

namespace tandem {

struct HqqShape { int group, axis; std::int64_t rows, cols; };
inline constexpr HqqShape hqq_shapes[] = {{64, 1, 3, 128}, {16, 1, 5, 53}, {40, 1, 5, 48},
                                          {64, 0, 64, 7},  {8, 0, 6, 60},  {128, 1, 1, 301}};

struct HqqNoise {
    Hqq spec;
    std::vector<std::byte> bytes;
    QuantTensor tensor;

    HqqNoise(const Hqq& format, std::int64_t rows, std::int64_t cols)
        : spec(format), bytes(quant_bytes(format, rows, cols)), tensor{format, rows, cols, bytes.data()} {
        const QuantParts parts = spec.parts(rows, cols);
        for (std::size_t i = 0; i < parts[0].bytes(); i++)
            bytes[i] = std::byte(random_bits(philox_key(1, {0, 0}), {0, 0, 0, std::uint32_t(4 * i)})[0]);
        const std::vector<float> x = normal_weights(std::size_t(2 * parts[1].elements), 2);
        for (int part : {1, 2})
            for (std::int64_t g = 0; g < parts[part].elements; g++)
                put(at(part, g), x[std::size_t(2 * g + part - 1)] + (part == 1 ? 0.0f : 7.5f));
    }
    HqqNoise(const HqqNoise&) = delete;

    // Element i by the letter: code i of the string of bits, and two roundings.
    float decoded(std::int64_t i) const {
        int code = 0;
        for (int b = 0; b < spec.bits; b++) {
            const std::int64_t bit = i * spec.bits + b;
            code = 2 * code + (int(bytes[std::size_t(bit / 8)]) >> (7 - bit % 8) & 1);
        }
        const std::int64_t n = tensor.rows * tensor.cols, group = spec.axis == 1 ? i / spec.group
                                                                                 : i % (n / spec.group);
        const float shifted = float(code) - get(at(2, group));
        return shifted * get(at(1, group));
    }

  private:
    std::size_t at(int part, std::int64_t group) const {
        return spec.parts(tensor.rows, tensor.cols)[part].at + std::size_t(group) * size_of(spec.meta);
    }
    template <class T> void put_as(std::size_t at, float v) {
        const T stored(v);
        std::memcpy(&bytes[at], &stored, sizeof stored);
    }
    void put(std::size_t at, float v) {
        if (spec.meta == DType::f32) put_as<float>(at, v);
        else if (spec.meta == DType::f16) put_as<f16>(at, v);
        else put_as<bf16>(at, v);
    }
    template <class T> float get_as(std::size_t at) const {
        T stored;
        std::memcpy(&stored, &bytes[at], sizeof stored);
        return float(stored);
    }
    float get(std::size_t at) const {
        if (spec.meta == DType::f32) return get_as<float>(at);
        return spec.meta == DType::f16 ? get_as<f16>(at) : get_as<bf16>(at);
    }
};

}  // namespace tandem
