#include "runtime/dtype.h"

#include <fmt/core.h>

#include <cmath>

namespace tandem {

f16::f16(float v) {
    std::uint32_t u = std::bit_cast<std::uint32_t>(v);
    std::uint32_t sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        bits = std::uint16_t(sign | 0x7e00u);
    } else if (magnitude >= 0x477ff000u) {  // rounds to 65520 or more
        bits = std::uint16_t(sign | 0x7c00u);
    } else if (magnitude < 0x38800000u) {  // below 2^-14: subnormal, in units of 2^-24
        float scaled = std::bit_cast<float>(magnitude) * 16777216.0f;
        bits = std::uint16_t(sign | std::uint32_t(std::nearbyint(scaled)));
    } else {
        std::uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
        bits = std::uint16_t(sign | (rounded - 0x38000000u) >> 13);
    }
}

f16::operator float() const {
    std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, mantissa = bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * float(mantissa) * 5.9604644775390625e-8f;
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

std::string_view name_of(DType t) {
    constexpr std::string_view names[] = {"f64", "f32", "bf16", "f16", "i64", "i32", "i16", "i8",
                                          "u64", "u32", "u16",  "u8",  "bool", "f8_e4m3", "f8_e5m2"};
    return names[std::size_t(t)];
}

void not_computed_with(DType t) {
    throw Error(fmt::format("[dtype] expected f64, f32 or bf16 to compute with, got {}", name_of(t)));
}

}  // namespace tandem
