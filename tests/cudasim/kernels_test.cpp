// Right kernels give right results.
#include <doctest/doctest.h>

#include "tests/cudasim/kernels/support.h"

using namespace cudasim;
using kernels::bf16;

TEST_CASE("cudasim: elementwise kernels are right, tails included") {
    const Stream stream;
    const int n = 10007;
    std::vector<float> in(n);
    for (int i = 0; i < n; ++i) in[i] = noise(i);
    const DeviceArray<float> a(in), b(n), c(n);
    CHECK(kernels::silu(a, b, n, stream) == cudaSuccess);
    CHECK(kernels::scale_and_shift(a, c, n, stream) == cudaSuccess);
    const auto silu = b.get(), shifted = c.get();
    int wrong = 0;
    for (int i = 0; i < n; ++i) {
        wrong += !(std::fabs(silu[i] - in[i] / (1 + std::exp(-in[i]))) < 1e-6f);  // a few units in the last place
        wrong += shifted[i] != in[i] * 2 + 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("cudasim: RMSNorm with shuffles and shared memory is right at every block size") {
    const Stream stream;
    const int rows = 5, columns = 512;
    const auto in = random_bf16(rows * columns, 1), w = random_bf16(columns, 2);
    const DeviceArray<bf16> a(in), b(w), c(rows * columns);
    for (const int block : {32, 96, 256, 1024}) {
        CHECK(kernels::rmsnorm(a, b, c, rows, columns, block, stream) == cudaSuccess);
        const auto out = c.get();
        double worst = 0;
        for (int r = 0; r < rows; ++r) {
            double sum = 0;
            for (int i = 0; i < columns; ++i) sum += std::pow(double(__bfloat162float(in[r * columns + i])), 2);
            for (int i = 0; i < columns; ++i) {
                const double x = __bfloat162float(in[r * columns + i]) / std::sqrt(sum / columns + 1e-5);
                const double error = std::fabs(x * __bfloat162float(w[i]) - __bfloat162float(out[r * columns + i]));
                worst = error >= 0 ? std::max(worst, error) : INFINITY;
            }
        }
        CHECK(worst < 0.008);  // half a unit of bf16 below 4: |in| <= 1, rms 0.58, |w| <= 1
    }
}

TEST_CASE("cudasim: flash attention on emulated tensor cores is right") {
    // Probabilities are rounded to bf16 (2^-9 relative) and so is the result, of at most 1.
    CHECK(flash_error<64>(256) < 2.0f / 256);
    CHECK(flash_error<128>(128) < 2.0f / 256);
}

TEST_CASE("cudasim: mma reads and writes the documented fragments") {
    const Stream stream;
    const auto a = random_bf16(256, 1), b = random_bf16(128, 2);
    const DeviceArray<bf16> da(a), db(b);
    const DeviceArray<float> dd(128);
    CHECK(kernels::one_mma(da, db, dd, stream) == cudaSuccess);
    const auto d = dd.get();
    for (int m = 0; m < 16; ++m)
        for (int n = 0; n < 8; ++n) {
            float v = 0;
            for (int k = 0; k < 16; ++k) v += __bfloat162float(a[m + 16 * k]) * __bfloat162float(b[n + 8 * k]);
            CHECK(std::fabs(v - d[m + 16 * n]) < 1e-5f);  // 16 roundings of sums below 16
        }
}

TEST_CASE("cudasim: every ldmatrix gives the documented registers") {
    const Stream stream;
    std::vector<std::uint16_t> in(256);
    for (int i = 0; i < 256; ++i)
        in[i] = std::uint16_t(i);  // element (row, column) of matrix q is 64q + 8 row + column
    const DeviceArray<std::uint16_t> matrices(in);
    const DeviceArray<std::uint32_t> out(512);
    CHECK(kernels::every_ldmatrix(matrices, out, stream) == cudaSuccess);
    const auto r = out.get();
    for (unsigned q = 0; q < 4; ++q)
        for (unsigned lane = 0; lane < 32; ++lane) {
            const unsigned row = lane / 4, column = lane % 4 * 2, at = q * 32 + lane;
            const unsigned plain = (64 * q + 8 * row + column) + ((64 * q + 8 * row + column + 1) << 16);
            const unsigned transposed = (64 * q + 8 * column + row) + ((64 * q + 8 * (column + 1) + row) << 16);
            CHECK(r[at] == plain);
            CHECK(r[128 + at] == transposed);
            CHECK(r[256 + at] == (q < 2 ? plain : 0));
            CHECK(r[384 + at] == (q < 2 ? transposed : 0));
        }
}

TEST_CASE("cudasim: bf16 pairs are added across a warp") {
    const Stream stream;
    const DeviceArray<__nv_bfloat162> ones(std::vector<__nv_bfloat162>(32, __floats2bfloat162_rn(1, 0.5f))), sum(1);
    CHECK(kernels::bf16_pair_sum(ones, sum, stream) == cudaSuccess);
    CHECK(__bfloat162float(sum.get()[0].x) == 128);
    CHECK(__bfloat162float(sum.get()[0].y) == 64);
}

TEST_CASE("cudasim: CUB's blocks reduce and scan") {
    const Stream stream;
    const int blocks = 3, n = blocks * 256;
    std::vector<int> in(n);
    for (int i = 0; i < n; ++i) in[i] = i % 13;
    const DeviceArray<int> a(in), sums(blocks), scan(n);
    CHECK(kernels::cub_blocks(a, sums, scan, blocks, stream) == cudaSuccess);
    const auto got = scan.get();
    int want = 0;
    for (int i = 0; i < 256; ++i) {
        CHECK(got[256 + i] == want);
        want += in[256 + i];
    }
    CHECK(sums.get()[1] == want);
}

TEST_CASE("cudasim: CUB's devices sum, scan and sort, and need the memory they ask for") {
    const Stream stream;
    const int n = 1000;
    std::vector<unsigned> keys(n);
    std::vector<int> values(n);
    for (int i = 0; i < n; ++i) keys[i] = unsigned(values[i] = i) * 2654435761u;
    const DeviceArray<unsigned> k(keys), sorted(n);
    const DeviceArray<int> v(values), moved(n), scan(n);
    const DeviceArray<float> ones(std::vector<float>(n, 1.0f)), sum(1);
    std::size_t bytes = 0;
    must(kernels::cub_sort(nullptr, bytes, k, sorted, v, moved, n, stream));
    const DeviceArray<char> temporary(bytes);
    std::size_t less = bytes - 1;
    CHECK(kernels::cub_sort(temporary, less, k, sorted, v, moved, n, stream) == cudaErrorInvalidValue);
    CHECK(kernels::cub_sort(temporary, bytes, k, sorted, v, moved, n, stream) == cudaSuccess);
    CHECK(kernels::cub_scan(temporary, bytes, v, scan, n, stream) == cudaSuccess);
    CHECK(kernels::cub_sum(temporary, bytes, ones, sum, n, stream) == cudaSuccess);
    const auto out = sorted.get();
    CHECK(std::ranges::is_sorted(out));
    CHECK(keys[moved.get()[17]] == out[17]);
    CHECK(scan.get()[999] == 998 * 999 / 2);
    CHECK(sum.get()[0] == 1000);
}

TEST_CASE("cudasim: built-in functions give what they should") {
    const Stream stream;
    const int checks = 64;
    for (const auto kernel : {kernels::builtins_of_warps, kernels::builtins_of_threads}) {
        const DeviceArray<int> failures(std::vector<int>(checks, 0));
        CHECK(kernel(failures, stream) == cudaSuccess);
        std::vector<int> expected(checks, 0);
        if (kernel == kernels::builtins_of_threads) expected[63] = 63;  // a bit per block
        const auto got = failures.get();
        for (int i = 0; i < checks; ++i) CHECK_MESSAGE(got[i] == expected[i], "check ", i);
    }
}
