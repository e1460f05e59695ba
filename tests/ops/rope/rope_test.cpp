#include "ops/rope/rope.h"

#include <fmt/core.h>

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// Angles position / 100^(i / half): any angles do, the op takes the table as it is.
RopeTable make_table(Context& ctx, DType x, std::int64_t positions, int head_dim) {
    const std::int64_t half = head_dim / 2;
    std::vector<double> cos, sin;
    for (std::int64_t p = 0; p < positions; p++)
        for (std::int64_t i = 0; i < half; i++) {
            double angle = double(p) * std::pow(100.0, -double(i) / double(half));
            cos.push_back(std::cos(angle));
            sin.push_back(std::sin(angle));
        }
    DType type = accumulator_type(x);
    return {tensor_of(ctx, {positions, half}, type, cos), tensor_of(ctx, {positions, half}, type, sin)};
}

OpCase rope_case(std::vector<std::int32_t> positions, int heads, int head_dim) {
    return {.inputs = {{std::int64_t(positions.size()), heads * head_dim}},
            .op =
                [=](Context& ctx, const auto& x, const auto&) {
                    return rope(ctx, x[0], indices_of(ctx, positions), make_table(ctx, x[0].dtype(), 12, head_dim),
                                head_dim);
                },
            .same_bits = true};
}

}  // namespace

TEST_CASE("rope: gradients, dtypes, threads") {
    check_op(rope_case({0, 1, 2}, 1, 2));
    check_op(rope_case({0, 1, 0, 11, 5}, 3, 6));
    check_op(rope_case({3}, 2, 34));
    check_op(rope_case({4, 9}, 5, 16));
}

TEST_CASE("rope turns the halves of a head, not neighbours, and leaves position 0 alone") {
    std::vector<double> x = {1, 2, 3, 4, 1, 2, 3, 4};
    std::vector<double> y = run_op(rope_case({0, 1}, 1, 4), DType::f64, {x}, {}).y;
    double c0 = std::cos(1.0), s0 = std::sin(1.0), c1 = std::cos(0.1), s1 = std::sin(0.1);
    std::vector<double> expected = {1, 2, 3, 4, c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + s0, 4 * c1 + 2 * s1};
    CHECK(distance(y, expected) < 1e-15 * norm(expected));
}

TEST_CASE("rope adds to a gradient that is there already") {
    OpCase c = rope_case({2, 7}, 1, 4);
    auto once = c.op;
    c.op = [once](Context& ctx, const auto& x, const auto& p) {
        Value y = once(ctx, x, p);
        x[0].slot()->gradient = tensor_of(ctx, x[0].shape(), x[0].dtype(), std::vector<double>(8, 100));
        return y;
    };
    std::vector<double> x(8, 1), dy = {1, 2, 3, 4, 5, 6, 7, 8};
    OpResult alone = run_op(rope_case({2, 7}, 1, 4), DType::f64, {x}, dy), added = run_op(c, DType::f64, {x}, dy);
    for (std::size_t i = 0; i < 8; i++) CHECK(added.dx[0][i] == 100 + alone.dx[0][i]);
}

TEST_CASE("rope of no tokens") { CHECK(run_op(rope_case({}, 2, 4), DType::f32, {{}}, {}).y.empty()); }

TEST_CASE("rope on a card: a row whose position is outside the table is not a number") {
    if (!has_card()) return;
    for (int head_dim : {6, 16})
        for (int position : {-1, 12}) {
            std::vector<double> x(std::size_t(2 * head_dim), 1.0);
            std::vector<double> y =
                run_op(rope_case({11, position}, 1, head_dim), DType::bf16, {x}, {}, 1, DeviceKind::cuda).y;
            for (std::size_t i = 0; i < y.size(); i++) CHECK(std::isnan(y[i]) == (i >= std::size_t(head_dim)));
        }
}

TEST_CASE("rope refuses what it cannot turn") {
    std::vector<double> six(6);
    CHECK_THROWS_WITH(run_op(rope_case({0}, 2, 3), DType::f32, {six}, {}),
                      "[rope] expected an even head_dim that divides the 6 columns of x, got 3; check head_dim in the "
                      "model's config");
    for (int position : {-1, 12})
        CHECK_THROWS_WITH(run_op(rope_case({0, position}, 1, 6), DType::f32, {std::vector<double>(12)}, {}),
                          fmt::format("[rope] token 1 is at position {}, but the table has 12; make it as long as the "
                                      "longest document",
                                      position)
                              .c_str());
    OpCase mixed = rope_case({0}, 1, 6);
    mixed.op = [](Context& ctx, const auto& x, const auto&) {
        return rope(ctx, x[0], indices_of(ctx, {0}), make_table(ctx, DType::f64, 12, 6), 6);
    };
    CHECK_THROWS_WITH(run_op(mixed, DType::f32, {six}, {}), "[rope] expected tables in f64 for x in f64, else in f32");
}
