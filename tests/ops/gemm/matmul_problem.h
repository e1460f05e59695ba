// A product with its operands, and the same in double: what the tests of the micro-kernels share.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "ops/gemm/micro_kernel.h"
#include "runtime/thread_pool.h"

namespace tandem::matmul_test {

struct TestDevice {
    ThreadPool pool;
    std::vector<std::byte> memory;
    CpuDevice cpu;
    explicit TestDevice(int threads) : pool(threads), memory(CpuDevice::scratch_bytes(threads) + 256) {
        const std::uintptr_t at = (reinterpret_cast<std::uintptr_t>(memory.data()) + 255) / 256 * 256;
        cpu = {&pool, reinterpret_cast<std::byte*>(at)};
    }
};

// A stored matrix of any compute dtype, rows x stride, with elements beyond its columns that must not be touched.
struct Matrix {
    DType dtype = DType::f32;
    std::int64_t rows = 0, cols = 0, stride = 0;
    std::vector<std::byte> bytes;

    Matrix() = default;
    Matrix(DType t, std::int64_t r, std::int64_t c, std::int64_t gap)
        : dtype(t), rows(r), cols(c), stride(c + gap), bytes(std::size_t(r * (c + gap)) * size_of(t)) {}
    double get(std::int64_t i, std::int64_t j) const {
        return visit_compute(dtype, [&]<class T>() {
            T v;
            std::memcpy(&v, bytes.data() + std::size_t(i * stride + j) * sizeof(T), sizeof(T));
            return double(v);
        });
    }
    void set(std::int64_t i, std::int64_t j, double value) {
        visit_compute(dtype, [&]<class T>() {
            T v(value);
            std::memcpy(bytes.data() + std::size_t(i * stride + j) * sizeof(T), &v, sizeof(T));
        });
    }
};

// Whole numbers up to `whole` (all sums are exact then), or, when that is 0, numbers in [-1, 1].
inline void fill(Matrix& x, std::mt19937& random, int whole) {
    for (std::int64_t i = 0; i < x.rows; i++)
        for (std::int64_t j = 0; j < x.stride; j++)
            x.set(i, j,
                  whole ? std::uniform_int_distribution<int>(-whole, whole)(random)
                        : std::uniform_real_distribution<double>(-1, 1)(random));
}

struct RandomWeight {
    Block4 spec;
    std::vector<std::byte> bytes;
    QuantTensor view;

    RandomWeight(const Block4& format, std::int64_t rows, std::int64_t cols, std::mt19937& random)
        : spec(format), bytes(quant_bytes(format, rows, cols)), view{format, rows, cols, bytes.data()} {
        std::uniform_real_distribution<float> value(-1, 1), scale(0.01f, 1);
        for (const QuantPart& part : spec.parts(rows, cols)) {
            const std::string_view name = part.name;
            for (std::int64_t i = 0; i < part.elements; i++)
                if (part.dtype == DType::u8) bytes[part.at + std::size_t(i)] = std::byte(random());
                else put(name, i, name.find("absmax") == name.npos ? value(random) : scale(random));
        }
        if (spec.nested) put("nested_offset", 0, 0.25f);
    }
    RandomWeight(const RandomWeight&) = delete;

    std::size_t at(std::string_view name, std::int64_t i) const {
        for (const QuantPart& part : spec.parts(view.rows, view.cols))
            if (name == part.name) return part.at + std::size_t(i) * size_of(part.dtype);
        throw Error("no such part");
    }
    void put(std::string_view name, std::int64_t i, float v) { std::memcpy(&bytes[at(name, i)], &v, sizeof v); }
    float get(std::string_view name, std::int64_t i) const {
        float v;
        std::memcpy(&v, &bytes[at(name, i)], sizeof v);
        return v;
    }
    int byte(std::string_view name, std::int64_t i) const { return int(bytes[at(name, i)]); }

    float dequantized(std::int64_t row, std::int64_t col) const {
        const std::int64_t i = row * view.cols + col, block = i / spec.block;
        float scale = 0;
        if (spec.nested) {
            const float outer = get("nested_absmax", block / spec.nested_block);
            scale = get("nested_quant_map", byte("absmax", block)) * outer;
            scale += get("nested_offset", 0);
        } else {
            scale = get("absmax", block);
        }
        const int pair = byte("codes", i / 2);
        return get("quant_map", i % 2 ? pair & 15 : pair >> 4) * scale;
    }
    Matrix dense(DType dtype) const {
        Matrix x(dtype, view.rows, view.cols, 0);
        for (std::int64_t i = 0; i < x.rows; i++)
            for (std::int64_t j = 0; j < x.cols; j++) x.set(i, j, double(dequantized(i, j)));
        return x;
    }
};

struct Options {
    std::int64_t m = 0, n = 0, k = 0;
    DType a = DType::f32, b = DType::f32, c = DType::f32;
    bool a_transposed = false, b_transposed = false, addend = false, bias = false;
    double alpha = 1;
    int whole = 0;  // see fill
    int gap = 0;    // between the end of a row and the next
};

struct Problem {
    Options o;
    Matrix a, b, c, bias;
    MatmulArgs args;

    Problem(const Options& options, std::mt19937& random) : o(options) {
        a = o.a_transposed ? Matrix(o.a, o.k, o.m, o.gap) : Matrix(o.a, o.m, o.k, o.gap);
        b = o.b_transposed ? Matrix(o.b, o.n, o.k, o.gap) : Matrix(o.b, o.k, o.n, o.gap);
        c = Matrix(o.c, o.m, o.n, o.gap);
        bias = Matrix(o.a, 1, o.n, 0);
        for (Matrix* x : {&a, &b, &c, &bias}) fill(*x, random, o.whole);
        args = {.m = o.m,
                .n = o.n,
                .k = o.k,
                .a = {a.bytes.data(), o.a, a.stride, o.a_transposed},
                .b = {b.bytes.data(), o.b, b.stride, o.b_transposed},
                .c = c.bytes.data(),
                .c_dtype = o.c,
                .c_stride = c.stride,
                .addend = o.addend ? c.bytes.data() : nullptr,
                .bias = o.bias ? bias.bytes.data() : nullptr,
                .alpha = o.alpha};
    }
    Problem(const Problem&) = delete;

    struct Value {
        double exact, magnitude;  // magnitude: the same sum of absolute values
    };
    Value reference(const Matrix& before, std::int64_t i, std::int64_t j) const {
        Value v{0, 0};
        for (std::int64_t p = 0; p < o.k; p++) {
            const double x = o.a_transposed ? a.get(p, i) : a.get(i, p);
            const double y = o.b_transposed ? b.get(j, p) : b.get(p, j);
            v.exact += x * y;
            v.magnitude += std::abs(x * y);
        }
        v = {v.exact * o.alpha, v.magnitude * std::abs(o.alpha)};
        if (o.addend) v = {v.exact + before.get(i, j), v.magnitude + std::abs(before.get(i, j))};
        if (o.bias) v = {v.exact + bias.get(0, j), v.magnitude + std::abs(bias.get(0, j))};
        return v;
    }
};

// Half a unit in the last place, relative.
inline double unit_roundoff(DType t) { return t == DType::f64 ? 0x1p-53 : t == DType::f32 ? 0x1p-24 : 0x1p-8; }

// With whole numbers every sum is exact and C must be the rounded reference. Else: a chain of k products and sums has
// an error of up to (k + 1) u times the sum of magnitudes (Higham); the sum of the parts of k and the steps with alpha,
// bias and addend are fewer than k / 64 + 6 roundings more; then one rounding to C.
inline bool right(const Problem& p, const Matrix& before, DType sums, std::int64_t i, std::int64_t j) {
    const Problem::Value v = p.reference(before, i, j);
    const double got = p.c.get(i, j);
    if (p.o.whole) {
        Matrix rounded(p.o.c, 1, 1, 0);
        rounded.set(0, 0, v.exact);
        return got == rounded.get(0, 0);
    }
    const double roundings = double(p.o.k) * (1 + 1.0 / 64) + 7;
    const double sum_error = roundings * unit_roundoff(sums) * v.magnitude;
    return std::abs(got - v.exact) <= sum_error + unit_roundoff(p.o.c) * (std::abs(v.exact) + sum_error);
}

inline bool untouched_beyond(const Matrix& before, const Matrix& after) {
    for (std::int64_t i = 0; i < after.rows; i++)
        for (std::int64_t j = after.cols; j < after.stride; j++)
            if (before.get(i, j) != after.get(i, j)) return false;
    return true;
}

inline bool supports(const MicroKernel& kernel, DType a, DType b) {
    const std::size_t wide = std::max(size_of(a), size_of(b));
    return kernel.supported() && (kernel.type == DType::f64) == (wide == 8) && size_of(kernel.type) >= wide;
}

}  // namespace tandem::matmul_test
