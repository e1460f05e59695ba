// A product with its operands, and the same in double: what the tests of the micro-kernels share.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "ops/gemm/micro_kernel.h"
#include "runtime/thread_pool.h"

namespace tandem::gemm_test {

struct Device {
    ThreadPool pool;
    std::vector<std::byte> memory;
    CpuDevice cpu;
    explicit Device(int threads) : pool(threads), memory(CpuDevice::scratch_bytes(threads) + 256) {
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

struct StoredWeight {
    QuantTensor view;
    std::vector<std::uint8_t> codes, absmax_codes;
    std::vector<float> absmax, nested_absmax, code_book, nested_map;
    float offset = 0.25f;

    StoredWeight(const QuantSpec& spec, std::int64_t rows, std::int64_t cols, std::mt19937& random) {
        const std::int64_t n = rows * cols, blocks = (n + spec.block - 1) / spec.block;
        std::uniform_real_distribution<float> value(-1, 1), scale(0.01f, 1);
        codes.resize(std::size_t(n + 1) / 2);
        for (std::uint8_t& c : codes) c = std::uint8_t(random());
        for (int i = 0; i < 16; i++) code_book.push_back(value(random));
        view = {spec, rows, cols, codes.data()};
        view.code_book = code_book.data();
        if (!spec.nested) {
            for (std::int64_t i = 0; i < blocks; i++) absmax.push_back(scale(random));
            view.absmax = absmax.data();
            return;
        }
        for (std::int64_t i = 0; i < blocks; i++) absmax_codes.push_back(std::uint8_t(random()));
        for (std::int64_t i = 0; i < blocks; i += spec.nested_block) nested_absmax.push_back(scale(random));
        for (int i = 0; i < 256; i++) nested_map.push_back(value(random));
        view.absmax_codes = absmax_codes.data();
        view.nested_absmax = nested_absmax.data();
        view.nested_map = nested_map.data();
        view.offset = &offset;
    }
    StoredWeight(const StoredWeight&) = delete;

    float dequantized(std::int64_t row, std::int64_t col) const {
        const std::int64_t i = row * view.cols + col, block = i / view.spec.block;
        float scale = 0;
        if (view.spec.nested) {
            const float outer = nested_absmax[std::size_t(block / view.spec.nested_block)];
            scale = nested_map[absmax_codes[std::size_t(block)]] * outer;
            scale += offset;
        } else {
            scale = absmax[std::size_t(block)];
        }
        const int byte = codes[std::size_t(i / 2)];
        return code_book[std::size_t(i % 2 ? byte & 15 : byte >> 4)] * scale;
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
    GemmArgs args;

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

}  // namespace tandem::gemm_test
