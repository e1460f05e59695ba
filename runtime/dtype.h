// Element types, and the one visitor that turns a runtime dtype into a template argument.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/error.h"

namespace tandem {

enum class DType : std::uint8_t {
    f64, f32, bf16, f16, i64, i32, i16, i8, u64, u32, u16, u8, boolean, f8_e4m3, f8_e5m2
};

// IEEE binary32 cut to its upper half; from float with round to nearest even, NaN stays NaN.
struct bf16 {
    std::uint16_t bits = 0;
    bf16() = default;
    explicit bf16(float v) {
        std::uint32_t u = std::bit_cast<std::uint32_t>(v);
        bits = (u & 0x7fffffffu) > 0x7f800000u ? std::uint16_t(u >> 16 | 0x40u)
                                               : std::uint16_t((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    }
    explicit bf16(double v) : bf16(float(v)) {}
    operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
};

// IEEE binary16, a storage type: read from checkpoints, never computed with.
struct f16 {
    std::uint16_t bits = 0;
    f16() = default;
    explicit f16(float v);
    explicit f16(double v) : f16(float(v)) {}
    operator float() const;
};

constexpr std::size_t size_of(DType t) {
    switch (t) {
        case DType::f64: case DType::i64: case DType::u64: return 8;
        case DType::f32: case DType::i32: case DType::u32: return 4;
        case DType::bf16: case DType::f16: case DType::i16: case DType::u16: return 2;
        default: return 1;
    }
}

std::string_view name_of(DType t);  // "f32", "bf16", …

template <class T> constexpr DType dtype_of = [] { static_assert(sizeof(T) == 0, "no dtype for this type"); }();
template <> inline constexpr DType dtype_of<double> = DType::f64;
template <> inline constexpr DType dtype_of<float> = DType::f32;
template <> inline constexpr DType dtype_of<bf16> = DType::bf16;
template <> inline constexpr DType dtype_of<f16> = DType::f16;
template <> inline constexpr DType dtype_of<std::int64_t> = DType::i64;
template <> inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <> inline constexpr DType dtype_of<std::int16_t> = DType::i16;
template <> inline constexpr DType dtype_of<std::int8_t> = DType::i8;
template <> inline constexpr DType dtype_of<std::uint64_t> = DType::u64;
template <> inline constexpr DType dtype_of<std::uint32_t> = DType::u32;
template <> inline constexpr DType dtype_of<std::uint16_t> = DType::u16;
template <> inline constexpr DType dtype_of<std::uint8_t> = DType::u8;

// What sums of T are kept in: double for double, else float.
template <class T> struct Accumulate { using type = float; };
template <> struct Accumulate<double> { using type = double; };
template <class T> using accumulate_t = typename Accumulate<T>::type;
constexpr DType accumulator_type(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }

[[noreturn]] void not_computed_with(DType t);

// The types that the graph computes with: visit_compute(t, []<class T>() { … });
template <class F> decltype(auto) visit_compute(DType t, F&& f) {
    switch (t) {
        case DType::f64: return f.template operator()<double>();
        case DType::f32: return f.template operator()<float>();
        case DType::bf16: return f.template operator()<bf16>();
        default: not_computed_with(t);
    }
}

// The types a checkpoint may hold weights in.
template <class F> decltype(auto) visit_float(DType t, F&& f) {
    if (t == DType::f16) return f.template operator()<f16>();
    return visit_compute(t, static_cast<F&&>(f));
}

}  // namespace tandem
