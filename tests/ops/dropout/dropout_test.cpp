#include "ops/dropout/dropout_kernels.h"
#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

struct Mask {
    std::uint64_t seed = 1, step = 2;
    RandomSite site{3, 4};
    std::vector<std::int32_t> samples{5, 5, 6}, positions{0, 1, 0};
    double p = 0.25;
    std::int64_t columns = 1030;  // four blocks of 256 and a ragged one
};

struct On {
    DType type = DType::f32;
    int threads = 1;
    DeviceKind kind = DeviceKind::cpu;
};

// Of ones; with an addend, in backward.
std::vector<double> dropped(const Mask& m, On on = {}, double addend = 0) {
    TestRank rank(on.type, on.threads, on.kind);
    std::int64_t tokens = std::int64_t(m.samples.size());
    Tensor samples = indices_of(rank.ctx, m.samples), positions = indices_of(rank.ctx, m.positions);
    RandomState random{m.seed, m.step, samples, positions};
    std::vector<double> ones(std::size_t(tokens * m.columns), 1.0), addends(ones.size(), addend);
    Tensor x = tensor_of(rank.ctx, {tokens, m.columns}, on.type, ones);
    Tensor out = tensor_of(rank.ctx, {tokens, m.columns}, on.type, addends);
    rank.ctx.run({"dropout", {}, {x, samples, positions, out}, {out}}, [&](auto device) {
        if (addend == 0)
            dropout_forward(device, {x, m.site, m.p, random, out});
        else
            dropout_backward(device, {x, m.site, m.p, random, {out, out}});
    });
    return values_of(rank.ctx, out);
}

std::vector<double> row(const std::vector<double>& v, int t) {
    const std::int64_t columns = Mask().columns;
    return {v.begin() + t * columns, v.begin() + (t + 1) * columns};
}

}  // namespace

TEST_CASE("dropout follows the counter of its place") {
    Mask m;
    std::vector<double> y = dropped(m, {DType::f64});
    PhiloxKey key = philox_key(m.seed, m.site);
    for (std::uint32_t t = 0; t < 3; t++)
        for (std::uint32_t c = 0; c < m.columns; c++) {
            RandomPlace place{2, std::uint32_t(m.samples[t]), std::uint32_t(m.positions[t]), c};
            bool keeps = dropout_keeps(random_bits(key, place)[int(c % 4)], dropout_threshold(m.p));
            REQUIRE(y[t * m.columns + c] == (keeps ? 1 / (1 - m.p) : 0.0));
        }
}

TEST_CASE("dropout: the same mask again, for every type, thread count and in backward") {
    Mask m;
    m.p = 0.5;  // kept values are 2 in every type
    std::vector<double> y = dropped(m, {DType::f64}), plus = y;
    for (double& v : plus) v += 1;
    for (DType t : {DType::f64, DType::f32, DType::bf16}) {
        CHECK(dropped(m, {t}) == y);
        CHECK(dropped(m, {t, 3}) == y);
        CHECK(dropped(m, {t}, 1.0) == plus);
    }
}

TEST_CASE("dropout on a card: the CPU's bits, by vectors and by elements") {
    if (!has_card()) return;
    for (std::int64_t columns : {1, 1030, 1032, 2056})
        for (DType t : {DType::f32, DType::bf16}) {
            Mask m;
            m.columns = columns;
            CHECK(dropped(m, {t, 1, DeviceKind::cuda}) == dropped(m, {t}));
            CHECK(dropped(m, {t, 1, DeviceKind::cuda}, 1.0) == dropped(m, {t}, 1.0));
        }
}

TEST_CASE("dropout: another mask for every seed, step, site, sample and position") {
    Mask m;
    std::vector<double> y = dropped(m);
    CHECK(row(y, 0) != row(y, 1));
    CHECK(row(y, 0) != row(y, 2));
    Mask seed = m, step = m, layer = m, module = m;
    seed.seed++, step.step++, layer.site.layer++, module.site.module++;
    for (const Mask& other : {seed, step, layer, module}) CHECK(row(dropped(other), 0) != row(y, 0));
    Mask swapped = m;  // a token keeps its mask wherever the batch puts it
    std::swap(swapped.samples[0], swapped.samples[2]);
    std::swap(swapped.positions[0], swapped.positions[2]);
    CHECK(row(dropped(swapped), 2) == row(y, 0));
}

// The mean of n values that are 1/(1-p) with probability 1-p has standard deviation sqrt(p / (1-p) / n); five of them.
TEST_CASE("dropout keeps the expectation") {
    for (double p : {0.05, 0.5, 0.9}) {
        Mask m;
        m.p = p;
        m.samples.assign(64, 0);
        m.positions.resize(64);
        std::iota(m.positions.begin(), m.positions.end(), 0);
        std::vector<double> y = dropped(m);
        double mean = std::accumulate(y.begin(), y.end(), 0.0) / double(y.size());
        CHECK(std::abs(mean - 1) < 5 * std::sqrt(p / (1 - p) / double(y.size())));
    }
}
