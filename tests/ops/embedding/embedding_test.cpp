#include "ops/embedding/embedding.h"

#include <fmt/core.h>

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("embedding: gradients, repeated ids, threads") {
    for (std::vector<std::int32_t> tokens : {std::vector<std::int32_t>{}, {3}, {4, 0, 4, 2, 4}})
        for (std::int64_t hidden : {3, 200})
            check_op({.inputs = {},
                      .trainable = {{5, hidden}},
                      .op = [&](Context& ctx, const auto&,
                                const auto& p) { return embedding(ctx, indices_of(ctx, tokens), p[0]); },
                      .same_bits = true});
}

// More tokens and columns than a warp looks at together; ids that come once, twice and a hundred times.
TEST_CASE("embedding: many tokens, wide rows") {
    std::vector<std::int32_t> tokens;
    for (int t = 0; t < 300; t++) tokens.push_back(t % 3 == 0 ? 7 : t * 31 % 200);
    check_op(
        {.inputs = {},
         .trainable = {{200, 1040}},
         .op = [&](Context& ctx, const auto&, const auto& p) { return embedding(ctx, indices_of(ctx, tokens), p[0]); },
         .differences = false,
         .same_bits = true});
}

TEST_CASE("embedding copies rows of a frozen weight and keeps nothing") {
    TestRank rank(DType::bf16);
    Param w = rank.store.add_frozen({2, 2}, {1, 2, 3, 4});
    LeaseScope lease(rank.ctx, rank.store, 0);
    Tape tape;
    TapeScope record(rank.ctx, &tape);
    Value y = embedding(rank.ctx, indices_of(rank.ctx, {1, 0, 1}), w);
    CHECK(values_of(rank.ctx, y) == std::vector<double>{3, 4, 1, 2, 3, 4});
    CHECK_FALSE(y.slot());
}

TEST_CASE("embedding on a card: the row of an id outside the vocabulary is not a number, and takes no gradient") {
    if (!has_card()) return;
    for (DType type : {DType::f32, DType::bf16})
        for (std::int64_t hidden : {3, 16}) {
            OpCase c{.inputs = {}, .trainable = {{2, hidden}}, .op = [](Context& ctx, const auto&, const auto& p) {
                         return embedding(ctx, indices_of(ctx, {1, -1, 2, 0}), p[0]);
                     }};
            std::vector<double> weight(std::size_t(2 * hidden), 3.0), dy(std::size_t(4 * hidden), 1.0);
            OpResult r = run_op(c, type, {weight}, dy, 1, DeviceKind::cuda);
            for (std::size_t i = 0; i < r.y.size(); i++) {
                std::size_t row = i / std::size_t(hidden);
                CHECK(std::isnan(r.y[i]) == (row == 1 || row == 2));
            }
            CHECK(r.dx[0] == std::vector<double>(weight.size(), 1.0));
        }
}

TEST_CASE("embedding names an id outside the vocabulary") {
    for (std::int32_t bad : {-1, 2}) {
        TestRank rank(DType::f32);
        Param w = rank.store.add_frozen({2, 2}, {1, 2, 3, 4});
        LeaseScope lease(rank.ctx, rank.store, 0);
        CHECK_THROWS_WITH(
            embedding(rank.ctx, indices_of(rank.ctx, {0, bad}), w),
            fmt::format("[embedding] token 1 has id {}, outside the vocabulary of 2; use the tokenizer that "
                        "belongs to the model",
                        bad)
                .c_str());
    }
}
