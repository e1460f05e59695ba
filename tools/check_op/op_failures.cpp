#include "tools/check_op/op_failures.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>

#include "runtime/joined.h"
#include "tools/check_op/check_op.h"
#include "tools/check_op/device_kinds.h"
#include "tools/check_op/norms.h"
#include "tools/check_op/run_op.h"

namespace tandem {

namespace {

// All that a case is run on, and what is wrong with it so far.
struct Check {
    const OpCase& c;
    Arrays arrays = {};
    std::vector<double> dy = {};
    OpResult exact = {};  // in double
    std::vector<std::string> failures = {};
};

std::string gradient_of(const OpCase& c, std::size_t array) {
    if (array < c.inputs.size()) return fmt::format("the gradient of input {}", array);
    return fmt::format("the gradient of trainable parameter {}", array - c.inputs.size());
}

void draw(Check& k, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0, k.c.scale);
    for (const auto* group : {&k.c.inputs, &k.c.trainable, &k.c.frozen})
        for (const Shape& s : *group) {
            std::vector<double>& v = k.arrays.emplace_back(std::size_t(s.elements()));
            for (double& e : v) e = round_to(DType::bf16, normal(random));  // exact in every type
        }
    k.dy.resize(run_op(k.c, DType::f64, k.arrays, {}).y.size());
    for (double& e : k.dy) e = round_to(DType::bf16, normal(random));
}

bool all_gradients(Check& k) {
    for (std::size_t a = 0; a < k.exact.dx.size(); a++)
        if (k.exact.dx[a].size() != k.arrays[a].size())
            k.failures.push_back(fmt::format("{}: expected {} numbers, got {}; write to ctx.grad in the backward",
                                             gradient_of(k.c, a), k.arrays[a].size(), k.exact.dx[a].size()));
    return k.failures.empty();
}

// Central differences of f = <dy, op(x)> with step h: error about h^2 f'''/6 + 1e-16 |f| / h, about 1e-9 at h = 1e-5
// for numbers of order one; the bound below leaves two digits.
void check_differences(Check& k) {
    const double h = 1e-5, size = norm(k.dy);
    LocalRank rank({.compute = DType::f64});
    for (std::size_t a = 0; a < k.exact.dx.size(); a++) {
        std::vector<double>& x = k.arrays[a];
        std::size_t wrong = 0;
        std::string first;
        for (std::size_t i = 0; i < x.size(); i++) {
            const double before = x[i], got = k.exact.dx[a][i];
            x[i] = before + h;
            const double above = dot(k.dy, run_op(rank, k.c, k.arrays, {}).y);
            x[i] = before - h;
            const double below = dot(k.dy, run_op(rank, k.c, k.arrays, {}).y);
            x[i] = before;
            const double numeric = (above - below) / (2 * h), bound = 1e-7 * (1 + std::abs(numeric) + size);
            if (!(std::abs(numeric - got) <= bound) && wrong++ == 0)
                first = fmt::format("element {} is {}, within {:.2g} of {} by differences", i, got, bound, numeric);
        }
        if (wrong > 0)
            k.failures.push_back(fmt::format("{}: expected what central differences give in double, got {} of {} "
                                             "elements elsewhere; expected that {}",
                                             gradient_of(k.c, a), wrong, x.size(), first));
    }
}

// The same bits, but that zeros of both signs are one.
std::string bits_failure(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return fmt::format("got {} and {} numbers", a.size(), b.size());
    std::size_t wrong = 0, first = 0;
    for (std::size_t i = 0; i < a.size(); i++)
        if (!(a[i] == b[i]) && wrong++ == 0) first = i;
    if (wrong == 0) return {};
    return fmt::format("got {} of {} elements that differ, the first, {}, {} and {}", wrong, a.size(), first, a[first],
                       b[first]);
}

void check_bits(Check& k, const std::string& between, const OpResult& one, const OpResult& other) {
    auto note = [&](const std::string& what, const std::string& failure) {
        if (!failure.empty())
            k.failures.push_back(fmt::format("{}: expected the same bits of {}, {}", between, what, failure));
    };
    note("the output", bits_failure(one.y, other.y));
    for (std::size_t a = 0; a < one.dx.size(); a++) note(gradient_of(k.c, a), bits_failure(one.dx[a], other.dx[a]));
}

void check_type(Check& k, DeviceKind kind, DType t) {
    const std::string place = fmt::format("{} on {}", name_of(t), kind == DeviceKind::cpu ? "the CPU" : "a card");
    const OpResult one = run_op(k.c, t, k.arrays, k.dy, 1, kind);
    check_bits(k, place + ", 1 thread and 3", one, run_op(k.c, t, k.arrays, k.dy, 3, kind));
    if (k.c.same_bits && kind != DeviceKind::cpu)
        check_bits(k, place + " and on the CPU", one, run_op(k.c, t, k.arrays, k.dy));
    auto note = [&](const std::string& what, const std::string& failure) {
        if (!failure.empty()) k.failures.push_back(fmt::format("{}, {}: {}", place, what, failure));
    };
    note("the output", close_failure(k.c, t, one.y, k.exact.y));
    for (std::size_t a = 0; a < k.exact.dx.size(); a++)  // those of parameters are f32, from operands of type t
        note(gradient_of(k.c, a), close_failure(k.c, t, one.dx[a], k.exact.dx[a]));
}

}  // namespace

std::string close_failure(const OpCase& c, DType t, const std::vector<double>& got, const std::vector<double>& exact) {
    if (got.size() != exact.size()) return fmt::format("expected {} numbers, got {}", exact.size(), got.size());
    std::vector<double> rounded = exact;
    for (double& v : rounded) v = round_to(t, v);
    const double unit = t == DType::bf16 ? 0x1p-9 : 0x1p-24;
    // Sums in f32 add at most a few hundred f32 units at these sizes, whatever the type.
    const double bound =
        c.roundings * (distance(rounded, exact) + 0.3 * unit * norm(exact)) + 256 * 0x1p-24 * norm(exact) + 1e-30;
    const double off = distance(got, exact);
    if (off <= bound) return {};
    return fmt::format("expected a distance of at most {:.3g} from the exact result, got {:.3g}", bound, off);
}

std::vector<std::string> op_failures(const OpCase& c, unsigned seed) {
    Check k{c};
    draw(k, seed);
    k.exact = run_op(c, DType::f64, k.arrays, k.dy);
    if (!all_gradients(k)) return k.failures;
    if (c.differences) check_differences(k);
    for (DeviceKind kind : c.on_cards ? device_kinds() : std::vector{DeviceKind::cpu})
        for (DType t : {DType::f32, DType::bf16}) check_type(k, kind, t);
    return k.failures;
}

void check_op(const OpCase& c, unsigned seed) {
    const std::vector<std::string> failures = op_failures(c, seed);
    if (failures.empty()) return;
    throw Error(fmt::format("[check_op] expected an op that is right, got {} failures: {}", failures.size(),
                            joined(failures, "; ")));
}

}  // namespace tandem
