// One check per op: its gradients against central differences in double, then every dtype against double, forward and
// backward, and one thread against several bit for bit.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/support/test_rank.h"

namespace tandem::test {

struct OpCase {
    std::vector<Shape> inputs;          // all want gradients
    std::vector<Shape> trainable = {};  // parameters that are trained
    std::vector<Shape> frozen = {};     // parameters that are not
    std::function<Value(Context&, const std::vector<Value>& x, const std::vector<Param>& p)>
        op;  // p: trainable, then frozen
    // The output's relative error in a narrow type may be this many times that of rounding the exact result once: 2 for
    // an op that rounds once, more where a straightforward implementation rounds on the way. Say why at the case.
    double roundings = 2;
    double scale = 1;         // standard deviation of inputs and parameters
    bool differences = true;  // false: shapes too large for them, gradients are checked against double alone
    bool same_bits = false;   // whether a card's arithmetic is the CPU's, operation for operation
};

struct OpResult {
    std::vector<double> y;
    std::vector<std::vector<double>> dx;  // of the inputs, then of the trainable parameters
};

using Arrays = std::vector<std::vector<double>>;

inline OpResult run_op(const OpCase& c, DType dtype, const Arrays& arrays, const std::vector<double>& dy,
                       int threads = 1, DeviceKind kind = DeviceKind::cpu) {
    TestRank rank(dtype, threads, kind);
    std::size_t at = 0;
    std::vector<Value> x;
    std::vector<Param> p;
    for (const Shape& s : c.inputs)
        x.emplace_back(tensor_of(rank.ctx, s, dtype, arrays[at++]), std::make_shared<GradSlot>(GradSlot{s, dtype, {}}));
    for (const Shape& s : c.trainable) p.push_back(rank.store.add(true, s, arrays[at++]));
    for (const Shape& s : c.frozen) p.push_back(rank.store.add(false, s, arrays[at++]));
    LeaseScope lease(rank.ctx, rank.store, 0);
    GradScope grads(rank.ctx, rank.store, 0);
    Tape tape;
    OpResult r;
    {
        TapeScope record(rank.ctx, &tape);
        Value y = c.op(rank.ctx, x, p);
        r.y = values_of(rank.ctx, y);
        if (dy.empty()) return r;
        REQUIRE(y.slot());
        y.slot()->gradient = tensor_of(rank.ctx, y.shape(), y.dtype(), dy);
    }
    tape.run(rank.ctx);
    for (const Value& v : x)
        r.dx.push_back(v.slot()->gradient ? values_of(rank.ctx, v.slot()->gradient) : std::vector<double>());
    for (std::size_t i = 0; i < c.trainable.size(); i++) r.dx.push_back(values_of(rank.ctx, rank.ctx.grad(p[i]).out));
    return r;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
inline double norm(const std::vector<double>& a) { return std::sqrt(dot(a, a)); }
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> d(a.size());
    for (std::size_t i = 0; i < a.size(); i++) d[i] = a[i] - b[i];
    return norm(d);
}

inline double round_to(DType t, double v) {
    return visit_compute(t, [&]<class T>() { return double(T(v)); });
}

// Central differences of f = <dy, op(x)> with step h: error about h^2 f'''/6 + 1e-16 |f| / h, about 1e-9 at h = 1e-5
// for numbers of order one; the bound below leaves two digits.
inline void check_gradients(const OpCase& c, Arrays arrays, const std::vector<double>& dy, const OpResult& exact) {
    const double h = 1e-5;
    for (std::size_t a = 0; a < exact.dx.size(); a++) {
        REQUIRE(exact.dx[a].size() == arrays[a].size());
        for (std::size_t i = 0; i < arrays[a].size(); i++) {
            double before = arrays[a][i];
            arrays[a][i] = before + h;
            double above = dot(dy, run_op(c, DType::f64, arrays, {}).y);
            arrays[a][i] = before - h;
            double below = dot(dy, run_op(c, DType::f64, arrays, {}).y);
            arrays[a][i] = before;
            double numeric = (above - below) / (2 * h);
            INFO("array ", a, " element ", i);
            CHECK(std::abs(numeric - exact.dx[a][i]) <= 1e-7 * (1 + std::abs(numeric) + norm(dy)));
        }
    }
}

inline void check_close(const OpCase& c, DType t, const std::vector<double>& got, const std::vector<double>& exact) {
    std::vector<double> rounded = exact;
    for (double& v : rounded) v = round_to(t, v);
    double unit = t == DType::bf16 ? 0x1p-9 : 0x1p-24;
    // Sums in f32 add at most a few hundred f32 units at these sizes, whatever the type.
    double bound = c.roundings * (distance(rounded, exact) + 0.3 * unit * norm(exact)) + 256 * 0x1p-24 * norm(exact);
    INFO("dtype ", std::string(name_of(t)));
    CHECK(distance(got, exact) <= bound + 1e-30);
}

inline void check_op(const OpCase& c, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0, c.scale);
    Arrays arrays;
    for (const auto* group : {&c.inputs, &c.trainable, &c.frozen})
        for (const Shape& s : *group) {
            std::vector<double>& v = arrays.emplace_back(std::size_t(s.elements()));
            for (double& e : v) e = round_to(DType::bf16, normal(random));  // exact in every type
        }
    std::vector<double> dy(run_op(c, DType::f64, arrays, {}).y.size());
    for (double& e : dy) e = round_to(DType::bf16, normal(random));
    OpResult exact = run_op(c, DType::f64, arrays, dy);
    if (c.differences) check_gradients(c, arrays, dy, exact);
    for (DeviceKind kind : device_kinds())
        for (DType t : {DType::f32, DType::bf16}) {
            INFO("on ", kind == DeviceKind::cpu ? "the CPU" : "a card");
            OpResult one = run_op(c, t, arrays, dy, 1, kind), again = run_op(c, t, arrays, dy, 3, kind);
            CHECK(one.y == again.y);
            CHECK(one.dx == again.dx);
            if (c.same_bits && kind != DeviceKind::cpu) {
                OpResult cpu = run_op(c, t, arrays, dy);
                CHECK(one.y == cpu.y);
                CHECK(one.dx == cpu.dx);
            }
            check_close(c, t, one.y, exact.y);
            for (std::size_t a = 0; a < exact.dx.size(); a++) {
                bool parameter = a >= c.inputs.size();  // their gradients are f32, from operands of type t
                INFO("gradient of array ", a, parameter ? " (parameter)" : "");
                check_close(c, t, one.dx[a], exact.dx[a]);
            }
        }
}

}  // namespace tandem::test
