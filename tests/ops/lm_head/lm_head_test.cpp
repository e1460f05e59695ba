#include "ops/lm_head/lm_head.h"

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr std::int64_t tokens = 9, hidden = 6, vocab = 37;
const std::vector<std::int32_t> all_rows{0, 2, 3, 4, 5, 7, 8}, all_targets{36, 0, 5, 5, 17, 3, 30};

struct Setup {
    DType type = DType::f64;
    std::int64_t chunk = 100;
    bool trained = true, records = true;
    std::vector<std::int32_t> rows = all_rows, targets = all_targets;
    int threads = 1;
};

struct Result {
    double loss;
    std::vector<double> dh, dweight;
};

Arrays random_arrays() {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    Arrays a{std::vector<double>(tokens * hidden), std::vector<double>(vocab * hidden)};
    for (std::vector<double>& v : a)
        for (double& e : v) e = round_to(DType::bf16, normal(random));
    return a;
}

Result run(const Setup& s, const Arrays& arrays) {
    TestRank rank(s.type, s.threads);
    Context& ctx = rank.ctx;
    Param w = rank.store.add(s.trained, {vocab, hidden}, arrays[1]);
    Shape shape{tokens, hidden};
    Value h(tensor_of(ctx, shape, s.type, arrays[0]), std::make_shared<GradSlot>(GradSlot{shape, s.type, {}}));
    LeaseScope lease(ctx, rank.store, 0);
    GradScope gradients(ctx, rank.store, 0);
    Tape tape;
    TapeScope record(ctx, s.records ? &tape : nullptr);
    Tensor loss = lm_head_loss(ctx, h, {w, {}}, {indices_of(ctx, s.rows), indices_of(ctx, s.targets)}, 0.25, s.chunk);
    Result r{value_of(ctx, loss), {}, {}};
    if (h.slot()->gradient) r.dh = values_of(ctx, h.slot()->gradient);
    if (s.trained) r.dweight = values_of(ctx, ctx.grad(w).out);
    return r;
}

}  // namespace

TEST_CASE("lm_head_loss is the cross-entropy of the supervised rows") {
    Arrays a = random_arrays();
    double expected = 0;
    for (std::size_t i = 0; i < all_rows.size(); i++) {
        std::vector<double> logits(vocab);
        double sum = 0;
        for (std::int64_t v = 0; v < vocab; v++) {
            for (std::int64_t k = 0; k < hidden; k++)
                logits[std::size_t(v)] +=
                    a[0][std::size_t(all_rows[i] * hidden + k)] * a[1][std::size_t(v * hidden + k)];
            sum += std::exp(logits[std::size_t(v)]);
        }
        expected += 0.25 * (std::log(sum) - logits[std::size_t(all_targets[i])]);
    }
    CHECK(run({}, a).loss == doctest::Approx(expected).epsilon(1e-12));
    CHECK(run({.type = DType::f32}, a).loss == doctest::Approx(expected).epsilon(1e-6));  // 37 terms in f32
    CHECK(run({.type = DType::bf16}, a).loss ==
          doctest::Approx(expected).epsilon(1e-6));  // logits are f32; inputs exact
}

// Central differences: see check_gradients.
TEST_CASE("lm_head_loss writes the loss's gradients while it records") {
    Arrays a = random_arrays();
    Result exact = run({}, a);
    const std::vector<double>* gradients[] = {&exact.dh, &exact.dweight};
    const double h = 1e-5;
    for (int which : {0, 1})
        for (std::size_t i = 0; i < a[std::size_t(which)].size(); i++) {
            double& e = a[std::size_t(which)][i];
            double before = e;
            e = before + h;
            double above = run({.records = false}, a).loss;
            e = before - h;
            double below = run({.records = false}, a).loss;
            e = before;
            CHECK(std::abs((above - below) / (2 * h) - (*gradients[which])[i]) < 1e-8);
        }
}

// dlogits are rounded, then the product with W, then the row in dh: three roundings, each of at most 2.
TEST_CASE("lm_head_loss: gradients of narrow types") {
    Arrays a = random_arrays();
    Result exact = run({}, a);
    OpCase c{.inputs = {}, .op = {}, .roundings = 6};
    for (DType t : {DType::f32, DType::bf16}) {
        Result r = run({.type = t}, a);
        check_close(c, t, r.dh, exact.dh);
        check_close(c, t, r.dweight, exact.dweight);
    }
}

TEST_CASE("lm_head_loss: chunks and threads change no bit of the loss and of h's gradient") {
    Arrays a = random_arrays();
    for (DType t : {DType::f64, DType::f32, DType::bf16}) {
        Result whole = run({.type = t}, a);
        for (std::int64_t chunk : {1, 2, 3, 7}) {
            Result r = run({.type = t, .chunk = chunk, .threads = 3}, a);
            CHECK(r.loss == whole.loss);
            CHECK(r.dh == whole.dh);
            CHECK(distance(r.dweight, whole.dweight) <= 1e-2 * norm(whole.dweight));  // summed in another order
        }
    }
}

TEST_CASE("lm_head_loss: frozen weight, nothing recorded, nothing supervised, bad targets") {
    Arrays a = random_arrays();
    Result trained = run({.type = DType::f32}, a), frozen = run({.type = DType::f32, .trained = false}, a);
    CHECK(frozen.loss == trained.loss);
    CHECK(frozen.dh == trained.dh);
    CHECK(run({.type = DType::f32, .records = false}, a).dh.empty());
    Result none = run({.rows = {}, .targets = {}}, a);
    CHECK(none.loss == 0);
    CHECK(none.dh == std::vector<double>(tokens * hidden));
    CHECK(none.dweight == std::vector<double>(vocab * hidden));
    for (std::int32_t bad : {-1, int(vocab)})
        CHECK_THROWS_WITH(
            run({.rows = {4}, .targets = {bad}}, a),
            fmt::format("[lm_head_loss] target {} of row 4 is outside the vocabulary of 37", bad).c_str());
}

// More columns than a softmax block, and logits that overflow exp unless the largest is taken off.
TEST_CASE("lm_head_loss over a large vocabulary") {
    const std::int64_t large = 10007;
    TestRank rank(DType::f32);
    std::vector<double> w(static_cast<std::size_t>(large));
    for (std::size_t i = 0; i < w.size(); i++) w[i] = 200 * std::sin(double(i));
    Param p = rank.store.add(false, {large, 1}, w);
    LeaseScope lease(rank.ctx, rank.store, 0);
    Value h = tensor_of(rank.ctx, {1, 1}, DType::f32, {1});
    Tensor loss = lm_head_loss(rank.ctx, h, {p, {}}, {indices_of(rank.ctx, {0}), indices_of(rank.ctx, {0})}, 1, 32);
    double sum = 0;
    for (double v : w) sum += std::exp(double(float(v)) - 200);
    // The logits are exact; each exp has a relative error of at most 2^-22.
    CHECK(*loss.as<double>() == doctest::Approx(std::log(sum) + 200 - w[0]).epsilon(1e-7));
}
