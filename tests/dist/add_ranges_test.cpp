#include "dist/peer/add_ranges.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/support/test_rank.h"

using namespace tandem;
using namespace tandem::test;

namespace {

struct Buffers {
    Tensor range;
    std::vector<Tensor> parts;
};

void add_on_card(Context& ctx, const Buffers& b) {
    std::vector<const std::byte*> parts;
    for (const Tensor& t : b.parts) parts.push_back(t.data());
    ctx.run({"add_ranges", {}, {b.range}, {b.range}}, [&](const auto& device) {
        if constexpr (build::has_cuda && requires { device.stream; })
            add_ranges(device.stream, b.range.dtype(), b.range.data(), parts, b.range.elements());
    });
}

// Numbers of very different sizes, so that another order would give other bits.
template <class T> void check_sums(std::size_t parts, std::int64_t n) {
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    std::mt19937 random(1);
    std::normal_distribution<double> normal(0, 1);
    auto numbers = [&] {
        std::vector<double> v(static_cast<std::size_t>(n));
        for (double& e : v) e = double(T(normal(random) * std::pow(10, 3 * normal(random))));
        return v;
    };
    std::vector<double> expected = numbers();
    Buffers b{tensor_of(rank.ctx, {n}, dtype_of<T>, expected), {}};
    std::vector<T> sum(expected.size());
    for (std::size_t p = 0; p < parts; p++) {
        std::vector<double> part = numbers();
        b.parts.push_back(tensor_of(rank.ctx, {n}, dtype_of<T>, part));
        for (std::size_t i = 0; i < sum.size(); i++) sum[i] = p == 0 ? T(part[i]) : sum[i] + T(part[i]);
    }
    for (std::size_t i = 0; i < sum.size(); i++) expected[i] = double(T(expected[i]) + sum[i]);
    add_on_card(rank.ctx, b);
    CHECK(values_of(rank.ctx, b.range) == expected);
}

}  // namespace

TEST_CASE("add_ranges adds the parts in order, then to the range") {
    if (!has_card()) return;
    for (std::size_t parts : {1, 2, 3, 8})
        for (std::int64_t n : {0, 1, 1024, 1027}) {
            check_sums<float>(parts, n);
            check_sums<double>(parts, n);
        }
}

TEST_CASE("add_ranges refuses what it cannot add") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    Tensor t = rank.ctx.empty({4}, DType::f32, "t"), narrow = rank.ctx.empty({4}, DType::bf16, "t");
    CHECK_THROWS_WITH(add_on_card(rank.ctx, {t, {}}), "[add_ranges] expected 1 to 8 parts, got 0");
    CHECK_THROWS_WITH(add_on_card(rank.ctx, {t, std::vector<Tensor>(9, t)}),
                      "[add_ranges] expected 1 to 8 parts, got 9");
    CHECK_THROWS_WITH(add_on_card(rank.ctx, {narrow, {narrow}}), "[add_ranges] expected f32 or f64, got bf16");
}
