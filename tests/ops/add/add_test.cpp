#include "ops/add/add.h"

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("add: gradients, dtypes, threads") {
    for (Shape s : {Shape{0, 4}, Shape{2, 3}, Shape{3, 64}, Shape{3, 67}})
        check_op({.inputs = {s, s},
                  .op = [](Context& ctx, const auto& x, const auto&) { return add(ctx, x[0], x[1]); },
                  .same_bits = true});
}

// Eight elements, at no multiple of 16 bytes.
TEST_CASE("add: tensors may begin anywhere") {
    for (DeviceKind kind : device_kinds())
        for (DType type : {DType::f32, DType::bf16}) {
            TestRank rank(type, 1, kind);
            Tensor all = tensor_of(rank.ctx, {5, 2}, type, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
            CHECK(values_of(rank.ctx, add(rank.ctx, Value(all.slice(0, 4)), Value(all.slice(1, 5)))) ==
                  std::vector<double>{2, 4, 6, 8, 10, 12, 14, 16});
        }
}

// Sums on the way are rounded: one rounding more for each further add, forward and backward.
TEST_CASE("add: a value with several consumers gathers all of their gradients") {
    check_op({.inputs = {{2, 5}, {2, 5}},
              .op =
                  [](Context& ctx, const auto& x, const auto&) {
                      Value a = add(ctx, x[0], x[0]);
                      Value b = add(ctx, a, x[1]);
                      Value c = add(ctx, b, a);
                      return add(ctx, c, x[0]);
                  },
              .roundings = 8});
}

TEST_CASE("add shares dy where it is the first gradient") {
    TestRank rank(DType::f32);
    Shape s{2, 2};
    Value a(tensor_of(rank.ctx, s, DType::f32, {1, 2, 3, 4}), std::make_shared<GradSlot>(GradSlot{s, DType::f32, {}}));
    Value b(tensor_of(rank.ctx, s, DType::f32, {1, 2, 3, 4}), std::make_shared<GradSlot>(GradSlot{s, DType::f32, {}}));
    Tape tape;
    Tensor dy = tensor_of(rank.ctx, s, DType::f32, {1, 1, 1, 1});
    {
        TapeScope record(rank.ctx, &tape);
        add(rank.ctx, a, b).slot()->gradient = dy;
    }
    tape.run(rank.ctx);
    CHECK(a.slot()->gradient.data() == dy.data());
    CHECK(b.slot()->gradient.data() == dy.data());
}

TEST_CASE("add refuses two shapes") {
    TestRank rank(DType::f32);
    Value a(rank.ctx.empty({2, 3}, DType::f32, "a")), b(rank.ctx.empty({3, 2}, DType::f32, "b"));
    CHECK_THROWS_WITH(add(rank.ctx, a, b), "[add] expected b of shape [2, 3], got [3, 2]");
}
