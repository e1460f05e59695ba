#include "ops/all_finite/all_finite.h"

#include <doctest/doctest.h>

#include <limits>

#include "tests/support/test_rank.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("all_finite sees one NaN or infinity anywhere") {
    constexpr double inf = std::numeric_limits<double>::infinity();
    for (DeviceKind kind : device_kinds())
        for (DType t : {DType::f64, DType::f32, DType::bf16}) {
            if (t == DType::f64 && kind != DeviceKind::cpu) continue;
            TestRank rank(t, 1, kind);
            Tensor out = rank.ctx.empty({1}, DType::f64, "test");
            auto finite = [&](const std::vector<double>& v) {
                all_finite(rank.ctx, tensor_of(rank.ctx, {std::int64_t(v.size())}, t, v), out);
                return value_of(rank.ctx, out) == 1;
            };
            CHECK(finite({}));
            CHECK(finite({0, -1, 3e38}));
            CHECK(!finite({0, inf}));
            CHECK(!finite({-inf, 0}));
            CHECK(!finite({1, std::numeric_limits<double>::quiet_NaN(), 2}));
            for (std::size_t n : {100000, 100001}) {  // several blocks of a card
                std::vector<double> v(n, 1.0);
                CHECK(finite(v));
                v.back() = inf;
                CHECK(!finite(v));
            }
        }
}
