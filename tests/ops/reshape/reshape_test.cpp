#include "ops/reshape/reshape.h"

#include "ops/add/add.h"
#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("reshape: gradients, dtypes, threads; also as a second consumer") {
    check_op({.inputs = {{4, 6}, {8, 3}},
              .op =
                  [](Context& ctx, const auto& x, const auto&) {
                      Value a = reshape(ctx, x[0], {8, 3});
                      return add(ctx, a, x[1]);
                  },
              .same_bits = true});
    check_op({.inputs = {{4, 6}},
              .op =
                  [](Context& ctx, const auto& x, const auto&) {
                      Value a = reshape(ctx, x[0], {8, 3});
                      Value b = add(ctx, a, a);
                      Value c = reshape(ctx, b, {4, 6});
                      return add(ctx, c, x[0]);
                  },
              .roundings = 4});
}

TEST_CASE("reshape copies nothing, and refuses another number of elements") {
    TestRank rank(DType::f32);
    Value x(rank.ctx.empty({2, 3}, DType::f32, "x"));
    CHECK(reshape(rank.ctx, x, {3, 2}).tensor().data() == x.tensor().data());
    CHECK_THROWS_WITH(reshape(rank.ctx, x, {4, 2}), "[tensor] cannot view [2, 3] as [4, 2]");
}
