#include "ops/swiglu/swiglu.h"

#include "ops/add/add.h"
#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("swiglu: gradients, dtypes, threads") {
    for (Shape s : {Shape{0, 4}, Shape{2, 3}, Shape{3, 64}, Shape{3, 67}})
        check_op(
            {.inputs = {s, s}, .op = [](Context& ctx, const auto& x, const auto&) { return swiglu(ctx, x[0], x[1]); }});
}

// Each swiglu and the add round: 2 for each on the way to y; gradients are added to what the other consumer wrote.
TEST_CASE("swiglu adds to gradients that are there") {
    check_op({.inputs = {{2, 9}, {2, 9}},
              .op =
                  [](Context& ctx, const auto& x, const auto&) {
                      Value a = swiglu(ctx, x[0], x[1]);
                      Value b = swiglu(ctx, x[1], x[0]);
                      return add(ctx, a, b);
                  },
              .roundings = 6});
}

TEST_CASE("swiglu of large gates is finite") {
    for (DeviceKind kind : device_kinds()) {
        TestRank rank(DType::f32, 1, kind);
        Value gate(tensor_of(rank.ctx, {1, 4}, DType::f32, {-1e30, -100, 100, 1e30}));
        Value up(tensor_of(rank.ctx, {1, 4}, DType::f32, {1, 1, 1, 1}));
        std::vector<double> y = values_of(rank.ctx, swiglu(rank.ctx, gate, up));
        CHECK(y[0] == 0);
        CHECK(std::abs(y[1]) < 1e-38);
        CHECK(y[2] == 100);
        CHECK(y[3] == double(1e30f));
    }
}
