#include "ops/gemm/matmul.h"

#include <limits>
#include <string>

#include "tests/ops/gemm/matmul_problem.h"
#include "tests/quant/hqq_noise.h"

using namespace tandem;
using namespace tandem::matmul_test;

namespace {
constexpr std::int64_t shapes[][3] = {{1, 1, 1},  {1, 7, 5},   {8, 48, 64},  {9, 49, 65},   {5, 100, 3},
                                      {3, 1, 33}, {1, 200, 1}, {70, 97, 66}, {2, 50, 1700}, {13, 24, 385},
                                      {2, 3, 0},  {0, 5, 4},   {4, 0, 3},    {33, 8, 16},   {4, 130, 2}};
constexpr DType f64 = DType::f64, f32 = DType::f32, b16 = DType::bf16;
constexpr DType types[][3] = {{f64, f64, f64}, {f64, f32, f32}, {b16, f64, b16}, {f32, f32, f32}, {f32, f32, b16},
                              {f32, b16, f64}, {b16, f32, b16}, {b16, b16, b16}, {b16, b16, f32}};

// p.b is what `weight` stands for. Returns the product with it.
Matrix check_same_as_dense(const MicroKernel& kernel, const TestDevice& device, Problem& p, const QuantTensor& weight) {
    p.args.b.data = p.b.bytes.data();
    matmul_with(kernel, device.cpu, p.args);
    const Matrix dense = p.c;
    p.args.b = {.transposed = p.args.b.transposed, .quant = &weight};
    matmul_with(kernel, device.cpu, p.args);
    CHECK(p.c.bytes == dense.bytes);
    return dense;
}

void check_all_shapes(const MicroKernel& kernel, Options o, std::mt19937& random) {
    TestDevice device(2);
    const DType sums = kernel.type == f64 ? f64 : f32;
    for (auto [m, n, k] : shapes) {
        o.m = m, o.n = n, o.k = k;
        Problem p(o, random);
        const Matrix before = p.c;
        matmul_with(kernel, device.cpu, p.args);
        int wrong = 0;
        for (std::int64_t i = 0; i < m; i++)
            for (std::int64_t j = 0; j < n; j++) wrong += !right(p, before, sums, i, j);
        INFO(kernel.name, " m ", m, " n ", n, " k ", k, " A ", name_of(o.a).data(), " B ", name_of(o.b).data(), " C ",
             name_of(o.c).data(), " transposed ", o.a_transposed, o.b_transposed, " whole ", o.whole);
        CHECK(wrong == 0);
        CHECK(untouched_beyond(before, p.c));
    }
}

// Calls check(kernel, dtype) for every micro-kernel of this cpu and every type it takes.
template <class F> void for_each_kernel(F&& check) {
    for (const MicroKernel* kernel : micro_kernels())
        for (DType t : {f64, f32, b16})
            if (supports(*kernel, t, t)) {
                INFO(kernel->name, " for ", name_of(t).data());
                check(*kernel, t);
            }
}

bool same_row(const Matrix& x, std::int64_t i, const Matrix& y, std::int64_t j) {
    const std::size_t row = std::size_t(x.stride) * size_of(x.dtype);
    return std::memcmp(x.bytes.data() + std::size_t(i) * row, y.bytes.data() + std::size_t(j) * row,
                       std::size_t(x.cols) * size_of(x.dtype)) == 0;
}
}  // namespace

TEST_CASE("gemm agrees with a naive product in double") {
    std::mt19937 random(1);
    for (const MicroKernel* kernel : micro_kernels())
        for (auto [a, b, c] : types) {
            if (!supports(*kernel, a, b)) continue;
            for (int i = 0; i < 4; i++) {
                Options o{.a = a, .b = b, .c = c, .a_transposed = bool(i & 1), .b_transposed = bool(i & 2)};
                o.addend = i == 0 || i == 3;
                o.bias = i == 1 || i == 3;
                o.alpha = i == 2 ? 1 : -0.3;
                o.gap = i;
                check_all_shapes(*kernel, o, random);
                o.alpha = 0.25;
                o.whole = 8;
                check_all_shapes(*kernel, o, random);
            }
        }
}

TEST_CASE("gemm of many of the largest tiles, at samples") {
    std::mt19937 random(2);
    TestDevice device(2);
    for (auto [t, k] : {std::pair{b16, 1541}, {f32, 771}, {f64, 199}}) {
        Problem p({.m = 1027, .n = 1153, .k = k, .a = t, .b = t, .c = t, .b_transposed = true, .whole = 4}, random);
        const Matrix before = p.c;
        matmul(device.cpu, p.args);
        int wrong = 0;
        for (int sample = 0; sample < 3000; sample++)
            wrong += !right(p, before, t, std::int64_t(random() % 1027), std::int64_t(random() % 1153));
        CHECK(wrong == 0);
    }
}

TEST_CASE("the number of threads changes no bit") {
    std::mt19937 random(3);
    for_each_kernel([&](const MicroKernel& kernel, DType t) {
        for (bool transposed : {false, true}) {
            Problem p({.m = 131, .n = 301, .k = 900, .a = t, .b = t, .c = t, .a_transposed = transposed}, random);
            Matrix first;
            for (int threads = 1; threads <= 3; threads++) {
                TestDevice device(threads);
                matmul_with(kernel, device.cpu, p.args);
                if (threads == 1) first = p.c;
                CHECK(p.c.bytes == first.bytes);
            }
        }
    });
}

TEST_CASE("a row of C does not depend on the other rows, nor a column on the other columns") {
    std::mt19937 random(4);
    TestDevice device(1);
    for_each_kernel([&](const MicroKernel& kernel, DType t) {
        Problem all({.m = 77, .n = 110, .k = 1001, .a = t, .b = t, .c = t, .b_transposed = true, .bias = true}, random);
        matmul_with(kernel, device.cpu, all.args);
        for (std::int64_t count = 1; count <= 9; count++) {
            const std::int64_t first = 77 - count * 7;
            Matrix rows(t, count, 110, 0);
            MatmulArgs args = all.args;
            args.m = count;
            args.a.data = all.a.bytes.data() + std::size_t(first * all.a.stride) * size_of(t);
            args.c = rows.bytes.data();
            matmul_with(kernel, device.cpu, args);
            for (std::int64_t i = 0; i < count; i++) CHECK(same_row(all.c, first + i, rows, i));
        }
        for (std::int64_t col : {0, 31, 109}) {
            Matrix one(t, 77, 1, 0);
            MatmulArgs args = all.args;
            args.n = 1;
            args.b.data = all.b.bytes.data() + std::size_t(col * all.b.stride) * size_of(t);
            args.bias = all.bias.bytes.data() + std::size_t(col) * size_of(t);
            args.c = one.bytes.data();
            args.c_stride = 1;
            matmul_with(kernel, device.cpu, args);
            for (std::int64_t i = 0; i < 77; i++) CHECK(one.get(i, 0) == all.c.get(i, col));
        }
    });
}

TEST_CASE("a quantized B gives the bits of its dequantized values") {
    std::mt19937 random(5);
    TestDevice device(2);
    constexpr std::int64_t sizes[][3] = {{1, 1, 1},      {3, 5, 7},    {9, 50, 77},
                                         {20, 193, 128}, {2, 64, 832}, {65, 33, 410}};
    for_each_kernel([&](const MicroKernel& kernel, DType t) {
        for (auto [m, n, k] : sizes)
            for (int i = 0; i < 8; i++) {
                const bool transposed = i & 1;
                Block4 spec{.book = i & 2 ? Block4::Book::fp4 : Block4::Book::nf4, .nested = bool(i & 4)};
                spec.block = i < 3 ? 32 : i == 5 ? 4096 : 64;
                spec.nested_block = i == 7 ? 3 : 256;
                RandomWeight weight(spec, transposed ? n : k, transposed ? k : n, random);
                if (i == 3) {  // nine significant bits: every value is a tie between two bf16
                    for (int code = 0; code < 16; code++) weight.put("quant_map", code, 1 + float(2 * code + 1) / 256);
                    for (std::int64_t block = 0; block < spec.blocks(n * k); block++) weight.put("absmax", block, 0.5f);
                }
                Problem p({.m = m, .n = n, .k = k, .a = t, .b = t, .c = f32, .b_transposed = transposed}, random);
                p.b = weight.dense(t);
                const Matrix dense = check_same_as_dense(kernel, device, p, weight.view);
                CHECK(right(p, dense, t == f64 ? f64 : f32, m - 1, n - 1));
            }
    });
}

TEST_CASE("a B in HQQ gives the bits of its dequantized values: any width, axis, group and type of scale") {
    std::mt19937 random(7);
    TestDevice device(2);
    for_each_kernel([&](const MicroKernel& kernel, DType t) {
        for (int bits : {8, 4, 3, 2, 1})
            for (DType meta : {DType::f16, b16, f32})
                for (const auto& [group, axis, rows, cols] : hqq_shapes)
                    for (bool transposed : {false, true}) {
                        const HqqNoise weight({.bits = bits, .group = group, .axis = axis, .meta = meta}, rows, cols);
                        const std::int64_t n = transposed ? rows : cols, k = transposed ? cols : rows;
                        Problem p({.m = 5, .n = n, .k = k, .a = t, .b = t, .c = f32, .b_transposed = transposed},
                                  random);
                        p.b = Matrix(t, rows, cols, 0);
                        for (std::int64_t i = 0; i < rows * cols; i++)
                            p.b.set(i / cols, i % cols, double(weight.decoded(i)));
                        check_same_as_dense(kernel, device, p, weight.tensor);
                    }
    });
}

TEST_CASE("padding brings no NaN into a sum that has an infinity") {
    std::mt19937 random(6);
    TestDevice device(1);
    for_each_kernel([&](const MicroKernel& kernel, DType t) {
        Problem p({.m = 3, .n = 5, .k = 7, .a = t, .b = t, .c = t, .b_transposed = true, .whole = 3}, random);
        for (std::int64_t j = 0; j < 5; j++) p.b.set(j, 6, 1);
        p.a.set(0, 6, std::numeric_limits<double>::infinity());
        p.a.set(1, 2, std::numeric_limits<double>::quiet_NaN());
        matmul_with(kernel, device.cpu, p.args);
        for (std::int64_t j = 0; j < 5; j++) {
            CHECK(std::isinf(p.c.get(0, j)));
            CHECK(std::isnan(p.c.get(1, j)));
            CHECK(std::isfinite(p.c.get(2, j)));
        }
    });
}

TEST_CASE("gemm refuses what it cannot multiply") {
    std::mt19937 random(7);
    TestDevice device(1);
    Problem p({.m = 4, .n = 6, .k = 8}, random);
    auto refused = [&](auto&& change) {
        MatmulArgs args = p.args;
        change(args);
        CHECK_THROWS_AS(matmul(device.cpu, args), Error);
    };
    RandomWeight weight({}, 8, 6, random);
    refused([](MatmulArgs& a) { a.m = -1; });
    refused([](MatmulArgs& a) { a.a.dtype = DType::i8; });
    refused([](MatmulArgs& a) { a.b.dtype = DType::f16; });
    refused([](MatmulArgs& a) { a.c_dtype = DType::i64; });
    refused([](MatmulArgs& a) { a.a.stride = 7; });
    refused([](MatmulArgs& a) { a.b.stride = 5; });
    refused([](MatmulArgs& a) { a.c_stride = 5; });
    refused([&](MatmulArgs& a) { a.a.quant = &weight.view; });
    refused([&](MatmulArgs& a) { a.b = {.transposed = true, .quant = &weight.view}; });
    CHECK_NOTHROW(matmul(device.cpu, p.args));
}

TEST_CASE("the micro-kernel is one of this cpu") {
    CHECK(std::string(matmul_kernel_name(f64)) == "scalar");
    for (DType t : {f32, b16}) {
        CHECK(micro_kernel_for(t).supported());
        CHECK(std::string(matmul_kernel_name(t)) == micro_kernel_for(t).name);
    }
    if (__builtin_cpu_supports("avx512bf16")) CHECK(std::string(matmul_kernel_name(b16)) == "avx512-bf16");
    if (__builtin_cpu_supports("avx512bw")) CHECK(std::string(matmul_kernel_name(f32)) == "avx512");
}
