#include "dist/cast/cast.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/support/test_rank.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("cast rounds to nearest even, the same on every device, by vectors and by elements") {
    std::mt19937 random(1);
    std::normal_distribution<double> normal(0, 1);
    for (DeviceKind kind : device_kinds())
        for (DType type : {DType::f32, DType::bf16})
            for (std::int64_t n : {0, 1, 4096, 4097}) {
                TestRank rank(type, 1, kind);
                std::vector<double> values(static_cast<std::size_t>(n)), expected(values.size());
                for (std::size_t i = 0; i < values.size(); i++) {
                    values[i] = double(float(normal(random)));
                    if (i % 3 == 0) values[i] = 1 + double(i % 512) * 0x1p-8;  // every second one is a tie in bf16
                    expected[i] = type == DType::f32 ? values[i] : double(bf16(float(values[i])));
                }
                Tensor from = tensor_of(rank.ctx, {n}, DType::f32, values), to = rank.ctx.empty({n}, type, "to");
                rank.ctx.run({"cast", {}, {from}, {to}}, [&](auto device) { cast(device, from, to); });
                CHECK(values_of(rank.ctx, to) == expected);
            }
}
