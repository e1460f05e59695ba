// A weight in host memory on its way into a format.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/dtype.h"

namespace tandem {

struct HostWeight {
    std::span<const std::byte> bytes;  // [rows, cols], at any address
    DType dtype;                       // f64 | f32 | bf16 | f16; on a card not f64
    std::int64_t rows, cols;

    std::int64_t elements() const { return rows * cols; }
    // `count` elements from element `first` on, as fp32.
    void widen(std::int64_t first, std::int64_t count, float* out) const {
        visit_float(dtype, [&]<class T>() {
            const std::byte* from = bytes.data() + std::size_t(first) * sizeof(T);
            for (std::int64_t i = 0; i < count; i++) {
                T value;
                std::memcpy(&value, from + std::size_t(i) * sizeof(T), sizeof(T));
                out[i] = float(value);
            }
        });
    }
};

inline HostWeight host_weight(const float* weight, std::int64_t rows, std::int64_t cols) {
    return {std::as_bytes(std::span(weight, std::size_t(rows * cols))), DType::f32, rows, cols};
}

}  // namespace tandem
