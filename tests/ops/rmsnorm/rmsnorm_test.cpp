#include "ops/rmsnorm/rmsnorm.h"

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

// The normalised x is rounded before the weight multiplies it, and the product again: two roundings forward, hence 4.
TEST_CASE("rmsnorm: gradients, dtypes, threads") {
    for (Shape s : {Shape{2, 3}, Shape{3, 7}, Shape{3, 32}, Shape{5, 65}})
        for (bool trained : {false, true}) {
            OpCase c{.inputs = {s}, .op = {}, .roundings = 4};
            (trained ? c.trainable : c.frozen).push_back(Shape{s[1]});
            c.op = [](Context& ctx, const auto& x, const auto& p) { return rmsnorm(ctx, x[0], p[0], 1e-5); };
            check_op(c);
        }
}

// Rows wider than a card's block holds in registers, by vectors and by elements; rows for several partial sums of the
// weight's gradient.
TEST_CASE("rmsnorm of wide rows and of many") {
    for (Shape s : {Shape{2, 8200}, Shape{2, 3001}, Shape{67, 40}})
        check_op({.inputs = {s},
                  .trainable = {{s[1]}},
                  .op = [](Context& ctx, const auto& x, const auto& p) { return rmsnorm(ctx, x[0], p[0], 1e-5); },
                  .roundings = 4,
                  .differences = false});
}

TEST_CASE("rmsnorm refuses a weight of another length") {
    OpCase c{.inputs = {{2, 4}}, .frozen = {{5}}, .op = [](Context& ctx, const auto& x, const auto& p) {
                 return rmsnorm(ctx, x[0], p[0], 1e-5);
             }};
    CHECK_THROWS_WITH(run_op(c, DType::f32, {std::vector<double>(8), std::vector<double>(5)}, {}),
                      "[rmsnorm] expected weight of shape [4], got [5]");
}
