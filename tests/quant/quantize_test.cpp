#include "quant/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/thread_pool.h"
#include "tests/quant/quantized.h"

using namespace tandem;

namespace {
constexpr Block4::Book formats[] = {Block4::Book::nf4, Block4::Book::fp4};
constexpr float infinity = std::numeric_limits<float>::infinity();

double mean_error(const std::vector<float>& x, const std::vector<float>& y) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); i++) sum += std::abs(double(x[i]) - y[i]);
    return sum / double(x.size());
}
}  // namespace

// 0.0728 is known to half of its last digit; |err| has a standard deviation below 0.08, so the mean of 2^20 one below
// 8e-5.
TEST_CASE("NF4 loses of N(0, 1) what it should") {
    const std::vector<float> x = normal_weights(1 << 20, 1);
    const double plain = mean_error(x, Quantized({.nested = false}, x).values());
    CHECK(std::abs(plain - 0.0728) < 5e-5 + 5 * 8e-5);
    // The absmax then have an error of their own: at most half of the widest gap of the map (0.0141) times the largest
    // deviation, about 2.5 of a mean of 2.4, so below 1 % of an absmax and of every value.
    const double nested = mean_error(x, Quantized({}, x).values());
    CHECK(std::abs(nested - plain) < 0.01 * 0.8);
}

TEST_CASE("every block size, tail and odd length survives the round trip") {
    for (Block4::Book format : formats)
        for (int block = 32; block <= 4096; block *= 2)
            for (int size : {1, 2, 31, block - 1, block, block + 1, 3 * block + 33}) {
                const auto n = std::size_t(size);
                CAPTURE(block);
                CAPTURE(n);
                const std::vector<float> x = normal_weights(n, n);
                Quantized q({.book = format, .nested = false, .block = block}, x);
                const std::vector<float> y = q.values();
                // Half of the widest gap: (-1, -0.696) of NF4; (2/3, 1) of FP4. A float step for each rounding.
                const float half_gap = format == Block4::Book::nf4 ? 0.15191f : 0.16667f;
                for (std::size_t i = 0; i < n; i++) {
                    const std::size_t begin = i / std::size_t(block) * std::size_t(block);
                    float absmax = 0;
                    for (std::size_t j = begin; j < std::min(n, begin + std::size_t(block)); j++)
                        absmax = std::max(absmax, std::abs(x[j]));
                    REQUIRE(q.view.absmax[i / std::size_t(block)] == absmax);
                    REQUIRE(std::abs(x[i] - y[i]) <= half_gap * absmax * (1 + 1e-5f));
                }
                if (n % 2) CHECK((q.view.codes[n / 2] & 15) == (format == Block4::Book::nf4 ? 7 : 0));
            }
}

TEST_CASE("blocks of zeros, and blocks too small to divide by, become zeros") {
    for (Block4::Book format : formats)
        for (bool nested : {false, true}) {
            std::vector<float> x = normal_weights(300, 5);
            for (std::size_t i = 64; i < 128; i++) x[i] = i % 2 ? -0.0f : 0.0f;
            for (std::size_t i = 128; i < 192; i++) x[i] = 0x1p-128f;
            const std::vector<float> y = Quantized({.book = format, .nested = nested}, x).values();
            CHECK(std::all_of(y.begin() + 64, y.begin() + 192, [](float v) { return v == 0; }));
            CHECK(std::any_of(y.begin() + 192, y.end(), [](float v) { return v != 0; }));
        }
    const std::vector<float> zeros(1000);
    CHECK(Quantized({}, zeros).values() == zeros);
}

TEST_CASE("one block, doubly quantized, is its own mean") {
    const std::vector<float> x = normal_weights(64, 2);
    Quantized plain({.nested = false}, x), nested({}, x);
    CHECK(*nested.view.offset == plain.view.absmax[0]);
    CHECK(nested.view.nested_absmax[0] == 0.0f);
    CHECK(nested.values() == plain.values());
}

TEST_CASE("the bytes do not depend on threads, and zeros lie between the parts") {
    const std::size_t n = (1 << 18) + 77;
    const std::vector<float> x = normal_weights(n, 3);
    for (Block4::Book format : formats)
        for (bool nested : {false, true}) {
            const Block4 spec{.book = format, .nested = nested};
            Quantized one(spec, x, 1), three(spec, x, 3);
            CHECK(one.bytes == three.bytes);
            const QuantParts parts = spec.parts(1, std::int64_t(n));
            for (int i = 0; i < parts.size(); i++) {
                const std::size_t end = i + 1 < parts.size() ? parts[i + 1].at : parts.bytes();
                CHECK(std::all_of(one.bytes.begin() + std::ptrdiff_t(parts[i].end()),
                                  one.bytes.begin() + std::ptrdiff_t(end),
                                  [](std::byte b) { return b == std::byte(0); }));
            }
        }
}

TEST_CASE("a tensor that cannot be quantized is refused") {
    std::vector<float> x = normal_weights(70000, 4);
    ThreadPool pool(2);
    CHECK_FALSE(has_nonfinite(x.data(), 70000, pool));
    for (float bad : {infinity, -infinity, std::nanf("")})
        for (std::size_t at : {std::size_t(0), std::size_t(65535), std::size_t(69999)}) {
            const float good = std::exchange(x[at], bad);
            CHECK(has_nonfinite(x.data(), 70000, pool));
            CHECK_FALSE(Quantized({}, x).finite);
            CHECK_FALSE(Quantized({.nested = false}, x).finite);
            x[at] = good;
        }
    CHECK_THROWS_WITH(Quantized({.book = Block4::Book{9}}, x),
                      "[quantize] expected nf4 or fp4, got code book number 9");
    for (int block : {0, 16, 48, 8192, -64}) {
        std::byte unused[1];
        CHECK_THROWS_AS((void)quantize(Block4{.block = block}, host_weight(x.data(), 1, 64), unused, pool), Error);
    }
    std::byte unused[1];
    CHECK_THROWS_AS((void)quantize(Block4{.nested_block = 0}, host_weight(x.data(), 1, 64), unused, pool), Error);
    CHECK_THROWS_AS((void)quantize(Block4(), host_weight(x.data(), 1, 0), unused, pool), Error);
}

TEST_CASE("random bytes are Philox's, from any multiple of 16 on") {
    const PhiloxKey key = philox_key(3, {4, 5});
    std::vector<std::byte> all(1000);
    random_bytes(key, 9, 0, all);
    for (std::uint32_t i = 0; i < all.size() / 16; i++) {
        const PhiloxBits bits = philox(key, {{9, 0, i, 0}});
        CHECK(std::equal(all.begin() + 16 * i, all.begin() + 16 * i + 16,
                         reinterpret_cast<const std::byte*>(bits.word)));
    }
    std::vector<std::byte> some(77);
    random_bytes(key, 9, 272, some);
    CHECK(std::equal(some.begin(), some.end(), all.begin() + 272));
    random_bytes(key, 9, std::uint64_t(1) << 38, some);
    const PhiloxBits far = philox(key, {{9, 4, 0, 0}});
    CHECK(std::equal(some.begin(), some.begin() + 16, reinterpret_cast<const std::byte*>(far.word)));
}

TEST_CASE("noise has the deviation that is asked for, and the same bytes on any number of threads") {
    for (const QuantSpec& spec :
         {QuantSpec(Block4{}), QuantSpec(Block4{.nested = false}), QuantSpec(Block4{.book = Block4::Book::fp4}),
          QuantSpec(Hqq{.bits = 8}), QuantSpec(Hqq{.bits = 4}), QuantSpec(Hqq{.bits = 3}), QuantSpec(Hqq{.bits = 2})}) {
        CAPTURE(name_of(spec));
        constexpr std::int64_t rows = 600, cols = 4096;  // more than a piece of work
        const Noise noise{philox_key(7, {1, 2}), 0.02f};
        std::vector<std::byte> one(quant_bytes(spec, rows, cols), std::byte(0xa5)), three(one);
        ThreadPool single(1), several(3);
        fill_with_noise(spec, noise, rows, cols, one.data(), single);
        fill_with_noise(spec, noise, rows, cols, three.data(), several);
        CHECK(one == three);
        std::vector<float> values(std::size_t(rows * cols));
        dequantize(QuantTensor{spec, rows, cols, one.data()}, 0, rows * cols, values.data());
        double sum = 0, squares = 0;
        for (float v : values) sum += v, squares += double(v) * v;
        // Of 2.4 million numbers the deviation is known to 0.1 %; the nested absmax and f16's scale add less than 1 %.
        CHECK(std::sqrt(squares / double(values.size())) == doctest::Approx(0.02).epsilon(0.01));
        CHECK(std::abs(sum / double(values.size())) < 0.1 * 0.02);  // NF4's book leans by 5 % of it
        fill_with_noise(spec, {philox_key(8, {1, 2}), 0.02f}, rows, cols, three.data(), several);
        CHECK(one != three);
    }
}
