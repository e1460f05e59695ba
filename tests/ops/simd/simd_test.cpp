#include <doctest/doctest.h>

#include <vector>

#include "ops/simd/exp.h"
#include "ops/simd/parallel.h"
#include "ops/simd/sum.h"

using namespace tandem;

// Every 4099th float from the smallest to the largest argument that matters.
TEST_CASE("exp is within 2 ulp of the exact value") {
    double worst = 0;
    for (std::uint32_t bits = 0; bits < 0x42d20000u; bits += 4099)  // up to 105
        for (std::uint32_t sign : {0u, 0x80000000u}) {
            float x = std::bit_cast<float>(bits | sign), got = simd::exp(x);
            double exact = std::exp(double(x));
            if (exact >= 0x1p128) {
                REQUIRE(got == INFINITY);
                continue;
            }
            double ulp = std::max(0x1p-149, std::ldexp(1.0, std::ilogb(exact) - 23));
            worst = std::max(worst, std::abs(double(got) - exact) / ulp);
        }
    CHECK(worst < 2);
    CHECK(simd::exp(0.0f) == 1.0f);
    CHECK(simd::exp(-INFINITY) == 0.0f);
    CHECK(simd::exp(INFINITY) == INFINITY);
    CHECK(std::isnan(simd::exp(NAN)));
}

TEST_CASE("sums and maxima have the same bits for every instruction set") {
    for (std::int64_t n : {1, 31, 32, 33, 1000, 4099}) {
        std::vector<float> x(static_cast<std::size_t>(n)), wide(x.size()), plain(x.size());
        for (std::size_t i = 0; i < x.size(); i++) x[i] = std::sin(float(i)) * 10;
        const float* p = x.data();
        auto square = [p](std::int64_t i) { return p[i] * p[i]; };
        float sum = 0, largest = 0;
        float expected_sum = simd::sum<float>(n, square), expected_largest = *std::max_element(x.begin(), x.end());
        for (std::size_t i = 0; i < x.size(); i++) plain[i] = simd::exp(x[i]);
        simd::run([&] {
            sum = simd::sum<float>(n, square);
            largest = simd::largest(n, p);
            for (std::int64_t i = 0; i < n; i++) wide[std::size_t(i)] = simd::exp(p[i]);
        });
        CHECK(sum == expected_sum);
        CHECK(largest == expected_largest);
        CHECK(wide == plain);
    }
}
