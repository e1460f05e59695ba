#include "tools/check_op/check_op.h"

#include <doctest/doctest.h>

#include "ops/add/add.h"
#include "ops/rmsnorm/rmsnorm.h"
#include "runtime/thread_pool.h"
#include "tools/check_op/device_kinds.h"
#include "tools/check_op/op_failures.h"

using namespace tandem;

namespace {

// rmsnorm with whatever a case's fault makes of eps in this rank.
OpCase norm_case(std::function<double(Context&)> eps) {
    return {.inputs = {{3, 8}},
            .trainable = {{8}},
            .op = [eps](Context& ctx, const std::vector<Value>& x, const std::vector<Param>& p) {
                return rmsnorm(ctx, x[0], p[0], eps(ctx));
            },
            .roundings = 4};  // the normalized value and the product with the weight, forward and backward
}

// 2 x, whose backward gives the gradient of x.
Value forgets_one(Context& ctx, const std::vector<Value>& x, const std::vector<Param>&) {
    Value y;
    {
        TapeScope quiet(ctx, nullptr);
        y = add(ctx, x[0], x[0]);
    }
    ctx.backward(y, {x[0]}, [slot = x[0].slot()](Context& ctx, Tensor dy) { ctx.pass(slot, dy); });
    return y;
}

bool has(const std::vector<std::string>& failures, const std::string& text) {
    for (const std::string& f : failures)
        if (f.find(text) != std::string::npos) return true;
    return false;
}

}  // namespace

TEST_CASE("check_op: of a right op nothing is said") {
    const OpCase right = norm_case([](Context&) { return 1e-5; });
    CHECK(op_failures(right).empty());
    CHECK(op_failures(right, 2).empty());
    check_op(right);
}

TEST_CASE("check_op: a wrong gradient is found, with its place and numbers") {
    const OpCase wrong{.inputs = {{2, 3}}, .op = forgets_one};
    const std::vector<std::string> failures = op_failures(wrong);
    REQUIRE(failures.size() == 1);  // every type agrees with double
    INFO(failures[0]);
    CHECK(failures[0].starts_with("the gradient of input 0: expected what central differences give in double, got 6 of "
                                  "6 elements elsewhere; expected that element 0 is "));
    CHECK_THROWS_WITH_AS(check_op(wrong),
                         doctest::Contains("[check_op] expected an op that is right, got 1 failures: the gradient of"),
                         Error);
}

TEST_CASE("check_op: a gradient that is a little wrong is found") {
    int runs = 0;  // the second, in double with its backward, is the one that differences are compared with
    const OpCase wrong = norm_case([&](Context& ctx) {
        if (ctx.compute_type() == DType::f64) runs++;
        return runs == 2 ? 1.01e-2 : 1e-2;
    });
    CHECK(has(op_failures(wrong), "expected what central differences give"));
}

TEST_CASE("check_op: a gradient that is not given, or an output without one, is found") {
    OpCase c{.inputs = {{2, 3}, {2, 3}},
             .op = [](Context& ctx, const std::vector<Value>& x, const std::vector<Param>&) {
                 return add(ctx, x[0], Value(x[1].tensor()));
             }};
    for (bool differences : {true, false}) {
        c.differences = differences;
        CHECK(op_failures(c) == std::vector<std::string>{"the gradient of input 1: expected 6 numbers, got 0; write to "
                                                         "ctx.grad in the backward"});
    }
    c.op = [](Context& ctx, const std::vector<Value>& x, const std::vector<Param>&) {
        return add(ctx, Value(x[0].tensor()), Value(x[1].tensor()));
    };
    CHECK_THROWS_WITH_AS(op_failures(c), doctest::Contains("expected an output that wants a gradient"), Error);
}

TEST_CASE("check_op: a type that is further off than rounding is found") {
    for (DType type : {DType::f32, DType::bf16}) {
        const OpCase wrong = norm_case([&](Context& ctx) { return ctx.compute_type() == type ? 0.05 : 1e-5; });
        const std::vector<std::string> failures = op_failures(wrong);
        for (const char* what : {"the output", "the gradient of input 0", "the gradient of trainable parameter 0"})
            CHECK(has(failures, std::string(name_of(type)) + " on the CPU, " + what +
                                    ": expected a distance of at most "));
        CHECK(!has(failures, std::string(name_of(type == DType::f32 ? DType::bf16 : DType::f32)) + " on"));
    }
}

TEST_CASE("check_op: bits that depend on the number of threads are found") {
    const OpCase wrong =
        norm_case([](Context& ctx) { return ctx.cpu().pool->size() == 1 ? 1e-5 : 2e-5; });
    const std::vector<std::string> failures = op_failures(wrong);
    CHECK(has(failures, "f32 on the CPU, 1 thread and 3: expected the same bits of the output, got "));
    CHECK(has(failures, "f32 on the CPU, 1 thread and 3: expected the same bits of the gradient of input 0, got "));
}

TEST_CASE("check_op: an op for CPU ranks alone is right there, and an error on a card") {
    OpCase c{.inputs = {{2, 3}},
             .op =
                 [](Context& ctx, const std::vector<Value>& x, const std::vector<Param>&) {
                     ctx.run({"for_cpu", {}, {}, {}}, [](const CpuDevice&) {});
                     return add(ctx, x[0], x[0]);
                 },
             .on_cards = false};
    CHECK(op_failures(c).empty());
    c.on_cards = true;
    if (has_card())
        CHECK_THROWS_WITH_AS(op_failures(c), doctest::Contains("[for_cpu] has no kernel for cards"), Error);
}

TEST_CASE("an op that reads a parameter which it does not name is refused") {
    const OpCase c{.inputs = {{2, 3}},
                   .trainable = {{3}},
                   .op =
                       [](Context& ctx, const std::vector<Value>& x, const std::vector<Param>& p) {
                           ctx.run({"secretive", {}, {x[0]}}, [&](const CpuDevice&) { ctx.bytes(p[0]); });
                           return add(ctx, x[0], x[0]);
                       },
                   .on_cards = false};
    CHECK_THROWS_WITH_AS(op_failures(c), "[secretive] reads a parameter of unit 0 that it does not name", Error);
}

TEST_CASE("a gradient of a parameter that no op of the backward names is refused") {
    const OpCase c{.inputs = {{2, 3}},
                   .trainable = {{3}},
                   .op =
                       [](Context& ctx, const std::vector<Value>& x, const std::vector<Param>& p) {
                           Value y(ctx.empty_like(x[0], "y"));
                           ctx.backward(y, {x[0], p[0]}, [p = p[0]](Context& ctx, Tensor) {
                               ctx.grad(p);
                               ctx.run({"secretive", {}, {}}, [](const CpuDevice&) {});
                           });
                           return y;
                       },
                   .on_cards = false};
    CHECK_THROWS_WITH_AS(op_failures(c),
                         "[tape] the gradient of a parameter of unit 0 was asked for, and no op names it", Error);
}
