#include "ops/embedding/embedding.h"

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("embedding: gradients, repeated ids, threads") {
    for (std::vector<std::int32_t> tokens : {std::vector<std::int32_t>{}, {3}, {4, 0, 4, 2, 4}})
        for (std::int64_t hidden : {3, 200})
            check_op({.inputs = {}, .trainable = {{5, hidden}}, .op = [&](Context& ctx, const auto&, const auto& p) {
                          return embedding(ctx, indices_of(ctx, tokens), p[0]);
                      }});
}

TEST_CASE("embedding copies rows of a frozen weight and keeps nothing") {
    TestRank rank(DType::bf16);
    Param w = rank.store.add(false, {2, 2}, {1, 2, 3, 4});
    LeaseScope lease(rank.ctx, rank.store, 0);
    Tape tape;
    TapeScope record(rank.ctx, &tape);
    Value y = embedding(rank.ctx, indices_of(rank.ctx, {1, 0, 1}), w);
    CHECK(values_of(rank.ctx, y) == std::vector<double>{3, 4, 1, 2, 3, 4});
    CHECK_FALSE(y.slot());
}

TEST_CASE("embedding names an id outside the vocabulary") {
    for (std::int32_t bad : {-1, 2}) {
        TestRank rank(DType::f32);
        Param w = rank.store.add(false, {2, 2}, {1, 2, 3, 4});
        LeaseScope lease(rank.ctx, rank.store, 0);
        CHECK_THROWS_WITH(
            embedding(rank.ctx, indices_of(rank.ctx, {0, bad}), w),
            fmt::format("[embedding] token 1 has id {}, outside the vocabulary of 2; use the tokenizer that "
                        "belongs to the model",
                        bad)
                .c_str());
    }
}
