#include "tests/ops/attention/attention_reference.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// The whole text in steps of the given sizes.
std::vector<double> in_steps(DType t, const AttentionShape& s, const Arrays& x, const std::vector<int>& steps,
                             int threads, DeviceKind kind = DeviceKind::cpu) {
    TestRank rank(t, threads, kind);
    const std::int64_t columns = s.heads * s.head_dim, kv_columns = s.kv_heads * s.head_dim;
    const std::int64_t tokens = std::int64_t(x[0].size()) / columns;
    Tensor q = tensor_of(rank.ctx, {tokens, columns}, t, x[0]);
    Tensor k = tensor_of(rank.ctx, {tokens, kv_columns}, t, x[1]),
           v = tensor_of(rank.ctx, {tokens, kv_columns}, t, x[2]);
    // What lies behind the filled part must not matter.
    std::vector<double> garbage(std::size_t((tokens + 3) * kv_columns), NAN);
    KvCache cache{tensor_of(rank.ctx, {tokens + 3, kv_columns}, t, garbage),
                  tensor_of(rank.ctx, {tokens + 3, kv_columns}, t, garbage), 0};
    std::vector<double> y;
    for (int step : steps) {
        const int past = cache.past, after = past + step;
        Tensor rows =
            attention_cached(rank.ctx, q.slice(past, after), k.slice(past, after), v.slice(past, after), cache, s);
        std::vector<double> values = values_of(rank.ctx, rows);
        y.insert(y.end(), values.begin(), values.end());
        cache.past = after;
    }
    CHECK(values_of(rank.ctx, cache.k.slice(0, tokens)) == x[1]);
    CHECK(values_of(rank.ctx, cache.v.slice(0, tokens)) == x[2]);
    return y;
}

}  // namespace

TEST_CASE("cached attention gives the rows of the whole text, bit for bit") {
    for (AttentionShape s : {AttentionShape{6, 2, 20}, AttentionShape{2, 2, 33}, AttentionShape{10, 1, 64}}) {
        OpCase c = attention_case({0, 205}, s);
        Arrays x = random_inputs(c);
        for (DType t : {DType::f64, DType::f32, DType::bf16}) {
            INFO("dtype ", std::string(name_of(t)), " head_dim ", s.head_dim);
            std::vector<double> whole = run_op(c, t, x, {}).y;
            CHECK(in_steps(t, s, x, {205}, 1) == whole);
            CHECK(in_steps(t, s, x, {37, 100, 0, 1, 1, 66}, 3) == whole);
            CHECK(in_steps(t, s, x, std::vector<int>(205, 1), 2) == whole);
        }
    }
}

// On a card several new tokens go through the kernel of the whole text: equal bits. A single one is split over its
// keys: as near to the exact rows as the plain formula in that type, twice, and the same whenever it is run.
TEST_CASE("cached attention on a card gives the rows of the whole text") {
    if (!has_card()) return;
    for (AttentionShape s : {AttentionShape{6, 2, 20}, AttentionShape{2, 2, 33}, AttentionShape{10, 1, 64},
                             AttentionShape{4, 1, 128}, AttentionShape{1, 1, 250}}) {
        OpCase c = attention_case({0, 205}, s);
        Arrays x = random_inputs(c);
        const std::vector<double> exact = reference<double>({0, 205}, s, x, x[0]).y;
        auto check = [&]<class T>() {
            const DType t = dtype_of<T>;
            INFO("dtype ", std::string(name_of(t)), " head_dim ", s.head_dim);
            const std::vector<double> whole = run_op(c, t, x, {}, 1, DeviceKind::cuda).y;
            CHECK(in_steps(t, s, x, {205}, 1, DeviceKind::cuda) == whole);
            CHECK(in_steps(t, s, x, {37, 100, 0, 68}, 1, DeviceKind::cuda) == whole);
            std::vector<int> single(9, 1);
            single.insert(single.begin(), 196);
            const std::vector<double> got = in_steps(t, s, x, single, 1, DeviceKind::cuda);
            CHECK(got == in_steps(t, s, x, single, 1, DeviceKind::cuda));
            const double plain = distance(reference<T>({0, 205}, s, x, x[0]).y, exact);
            CHECK(distance(got, exact) <= 2 * plain + 0x1p-23 * norm(exact));
        };
        check.template operator()<float>();
        check.template operator()<bf16>();
    }
}

// A long cache: its parts are of several tiles each. f32 against f64, at most twice what the CPU's f32 is off, and some
// units for the parts; bf16 within two roundings of a result and its probabilities' roundings, which average out.
TEST_CASE("cached attention on a card over a long cache") {
    if (!has_card()) return;
    const AttentionShape s{11, 1, 24};
    const int keys = 4165, columns = s.heads * s.head_dim;
    auto last_row = [&](DType t, DeviceKind kind) {
        TestRank rank(t, 1, kind);
        auto random = [&](int rows, int width, unsigned seed) {
            return tensor_of(rank.ctx, {rows, width}, t, random_values(std::size_t(rows * width), seed));
        };
        KvCache cache{random(keys, s.head_dim, 1), random(keys, s.head_dim, 2), keys - 1};
        return values_of(rank.ctx, attention_cached(rank.ctx, random(1, columns, 3), random(1, s.head_dim, 4),
                                                    random(1, s.head_dim, 5), cache, s));
    };
    const std::vector<double> exact = last_row(DType::f64, DeviceKind::cpu);
    auto error = [&](DType t, DeviceKind kind) { return distance(last_row(t, kind), exact) / norm(exact); };
    CHECK(error(DType::f32, DeviceKind::cuda) <= 2 * error(DType::f32, DeviceKind::cpu) + 16 * 0x1p-24);
    CHECK(error(DType::bf16, DeviceKind::cuda) <= 4 * 0x1p-9);
    CHECK(last_row(DType::bf16, DeviceKind::cuda) == last_row(DType::bf16, DeviceKind::cuda));
}

TEST_CASE("cached attention refuses to write past its cache") {
    TestRank rank(DType::f32);
    auto zeros = [&](std::int64_t rows) {
        return tensor_of(rank.ctx, {rows, 16}, DType::f32, std::vector<double>(std::size_t(rows * 16)));
    };
    Tensor two = zeros(2);
    CHECK_THROWS_WITH(
        attention_cached(rank.ctx, two, two, two, {zeros(8), zeros(8), 7}, {1, 1, 16}),
        "[attention_cached] 2 tokens after 7 do not fit into a cache of 8; allocate it for the longest text");
    CHECK_THROWS_WITH(attention_cached(rank.ctx, two, two, two, {zeros(8), zeros(9), 0}, {1, 1, 16}),
                      "[attention_cached] expected a cache of v of shape [8, 16], got [9, 16]");
}
