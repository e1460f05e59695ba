#include "ops/lm_head/lm_head.h"

#include <fmt/core.h>

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr std::int64_t tokens = 9;
const std::vector<std::int32_t> all_rows{0, 2, 3, 4, 5, 7, 8}, all_targets{36, 0, 5, 5, 17, 3, 30};

struct Setup {
    DType type = DType::f64;
    std::int64_t chunk = 100;
    bool trained = true, records = true;
    std::vector<std::int32_t> rows = all_rows, targets = all_targets;
    int threads = 1;
    DeviceKind kind = DeviceKind::cpu;
    std::int64_t hidden = 6, vocab = 37;
    bool adds = false;  // to a gradient of ones that is there, and that another holds
    RowLoss own = {};
};

struct Losses {
    double loss;
    std::vector<double> dh, dweight;
};

Arrays random_arrays(std::int64_t hidden = 6, std::int64_t vocab = 37) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    Arrays a{std::vector<double>(tokens * hidden), std::vector<double>(vocab * hidden)};
    for (std::vector<double>& v : a)
        for (double& e : v) e = round_to(DType::bf16, normal(random));
    return a;
}

Losses run(const Setup& s, const Arrays& arrays) {
    TestRank rank(s.type, s.threads, s.kind);
    Context& ctx = rank.ctx;
    const Shape weight{s.vocab, s.hidden};
    Param w = s.trained ? rank.store.add_trainable(weight, arrays[1]) : rank.store.add_frozen(weight, arrays[1]);
    Shape shape{tokens, s.hidden};
    Tensor before;
    if (s.adds) before = tensor_of(ctx, shape, s.type, std::vector<double>(arrays[0].size(), 1));
    Value h(tensor_of(ctx, shape, s.type, arrays[0]), std::make_shared<GradSlot>(GradSlot{shape, s.type, {}}));
    h.slot()->gradient = before;
    LeaseScope lease(ctx, rank.store, 0);
    GradScope gradients(ctx, rank.store, 0);
    Tape tape;
    TapeScope record(ctx, s.records ? &tape : nullptr);
    Tensor loss =
        lm_head_loss(ctx, h, {w, {}}, {indices_of(ctx, s.rows), indices_of(ctx, s.targets)}, {0.25, s.chunk, s.own});
    Losses r{value_of(ctx, loss), {}, {}};
    if (h.slot()->gradient) r.dh = values_of(ctx, h.slot()->gradient);
    if (s.trained) r.dweight = values_of(ctx, ctx.grad(w).out);
    return r;
}

}  // namespace

TEST_CASE("lm_head_loss is the cross-entropy of the supervised rows") {
    for (auto [hidden, vocab] :
         {std::pair<std::int64_t, std::int64_t>{6, 37}, {16, 40}}) {  // 40: by 16 bytes on a card
        Arrays a = random_arrays(hidden, vocab);
        double expected = 0;
        for (std::size_t i = 0; i < all_rows.size(); i++) {
            std::vector<double> logits(static_cast<std::size_t>(vocab));
            double sum = 0;
            for (std::int64_t v = 0; v < vocab; v++) {
                for (std::int64_t k = 0; k < hidden; k++)
                    logits[std::size_t(v)] +=
                        a[0][std::size_t(all_rows[i] * hidden + k)] * a[1][std::size_t(v * hidden + k)];
                sum += std::exp(logits[std::size_t(v)]);
            }
            expected += 0.25 * (std::log(sum) - logits[std::size_t(all_targets[i])]);
        }
        CHECK(run({.hidden = hidden, .vocab = vocab}, a).loss == doctest::Approx(expected).epsilon(1e-12));
        // Some 40 terms in f32; the logits of bf16 are f32, their inputs exact.
        for (DeviceKind kind : device_kinds())
            for (DType t : {DType::f32, DType::bf16})
                CHECK(run({.type = t, .kind = kind, .hidden = hidden, .vocab = vocab}, a).loss ==
                      doctest::Approx(expected).epsilon(1e-6));
    }
}

// Central differences: see check_gradients.
TEST_CASE("lm_head_loss writes the loss's gradients while it records") {
    Arrays a = random_arrays();
    Losses exact = run({}, a);
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
    OpCase c{.inputs = {}, .op = {}, .roundings = 6};
    for (auto [hidden, vocab] : {std::pair<std::int64_t, std::int64_t>{6, 37}, {16, 40}}) {
        Arrays a = random_arrays(hidden, vocab);
        for (bool adds : {false, true}) {
            Losses exact = run({.hidden = hidden, .vocab = vocab, .adds = adds}, a);
            for (DeviceKind kind : device_kinds())
                for (DType t : {DType::f32, DType::bf16}) {
                    Setup s{.type = t, .kind = kind, .hidden = hidden, .vocab = vocab, .adds = adds};
                    Losses r = run(s, a), again = run(s, a);
                    check_close(c, t, r.dh, exact.dh);
                    check_close(c, t, r.dweight, exact.dweight);
                    CHECK(r.dh == again.dh);
                    CHECK(r.dweight == again.dweight);
                }
        }
    }
}

TEST_CASE("lm_head_loss: chunks and threads change no bit of the loss and of h's gradient, on a card their rounding") {
    Arrays a = random_arrays();
    for (DeviceKind kind : device_kinds())
        for (DType t : {DType::f64, DType::f32, DType::bf16}) {
            if (kind == DeviceKind::cuda && t == DType::f64) continue;
            const double allowed = kind == DeviceKind::cuda ? (t == DType::bf16 ? 0x1p-7 : 1e-6) : 0;
            Losses whole = run({.type = t, .kind = kind}, a);
            for (std::int64_t chunk : {1, 2, 3, 7}) {
                Losses r = run({.type = t, .chunk = chunk, .threads = 3, .kind = kind}, a);
                CHECK(std::abs(r.loss - whole.loss) <= allowed * 1e-3 * whole.loss);  // it is made from f32
                CHECK(distance(r.dh, whole.dh) <= allowed * norm(whole.dh));
                CHECK(distance(r.dweight, whole.dweight) <= 1e-2 * norm(whole.dweight));  // summed in another order
            }
        }
}

TEST_CASE("lm_head_loss: frozen weight, nothing recorded, nothing supervised, bad targets") {
    Arrays a = random_arrays();
    for (DeviceKind kind : device_kinds()) {
        Losses trained = run({.type = DType::f32, .kind = kind}, a);
        Losses frozen = run({.type = DType::f32, .trained = false, .kind = kind}, a);
        CHECK(frozen.loss == trained.loss);
        CHECK(frozen.dh == trained.dh);
        CHECK(run({.type = DType::f32, .records = false, .kind = kind}, a).dh.empty());
        Losses none = run({.type = DType::f32, .rows = {}, .targets = {}, .kind = kind}, a);
        CHECK(none.loss == 0);
        CHECK(none.dh == std::vector<double>(a[0].size()));
        CHECK(none.dweight == std::vector<double>(a[1].size()));
    }
    for (std::int32_t bad : {-1, 37})
        CHECK_THROWS_WITH(
            run({.rows = {4}, .targets = {bad}}, a),
            fmt::format("[lm_head_loss] target {} of row 4 is outside the vocabulary of 37", bad).c_str());
    if (!has_card()) return;
    for (std::int32_t bad : {-1, 37}) {
        CHECK(std::isnan(run({.type = DType::f32, .rows = {4}, .targets = {bad}, .kind = DeviceKind::cuda}, a).loss));
        CHECK(std::isnan(run({.type = DType::bf16, .rows = {bad}, .targets = {3}, .kind = DeviceKind::cuda}, a).loss));
    }
}

TEST_CASE("lm_head_loss: a loss of one's own is called for each chunk, and as cross-entropy it is the built-in one") {
    Arrays a = random_arrays();
    for (DeviceKind kind : device_kinds())
        for (DType t : {DType::f32, DType::bf16})
            for (std::int64_t chunk : {1, 3, 100}) {
                std::vector<std::int32_t> seen;
                const RowLoss own = [&](const LossRows& r) {
                    CHECK(r.vocab == 37);
                    CHECK(r.scale == 0.25);
                    seen.insert(seen.end(), r.targets.begin(), r.targets.end());
                    cross_entropy(r);
                };
                const Losses built_in = run({.type = t, .chunk = chunk, .kind = kind}, a);
                const Losses mine = run({.type = t, .chunk = chunk, .kind = kind, .own = own}, a);
                CHECK(seen == all_targets);
                // A card's softmax and the host's differ by their exp: by 2^-22 of each part, rounded to the type.
                const double allowed = kind == DeviceKind::cpu ? 0 : t == DType::bf16 ? 0x1p-7 : 0x1p-20;
                CHECK(std::abs(mine.loss - built_in.loss) <= (kind == DeviceKind::cpu ? 0 : 0x1p-20) * built_in.loss);
                CHECK(distance(mine.dh, built_in.dh) <= allowed * norm(built_in.dh));
                CHECK(distance(mine.dweight, built_in.dweight) <= allowed * norm(built_in.dweight));
            }
    CHECK_THROWS_WITH(run({.own = cross_entropy}, a),
                      doctest::Contains("f32 or bf16 for a loss of one's own"));
}

// More columns than a softmax block, and logits that overflow exp unless the largest is taken off.
TEST_CASE("lm_head_loss over a large vocabulary") {
    for (DeviceKind kind : device_kinds())
        for (std::int64_t large : {10007, 10008}) {
            TestRank rank(DType::f32, 1, kind);
            Context& ctx = rank.ctx;
            std::vector<double> w(static_cast<std::size_t>(large));
            for (std::size_t i = 0; i < w.size(); i++) w[i] = 200 * std::sin(double(i));
            Param p = rank.store.add_frozen({large, 1}, w);
            LeaseScope lease(ctx, rank.store, 0);
            Value h(tensor_of(ctx, {1, 1}, DType::f32, {1}));
            Tensor loss = lm_head_loss(ctx, h, {p, {}}, {indices_of(ctx, {0}), indices_of(ctx, {0})}, {1, 32, {}});
            double sum = 0;
            for (double v : w) sum += std::exp(double(float(v)) - 200);
            // The logits are exact; each exp has a relative error of at most 2^-22.
            CHECK(value_of(ctx, loss) == doctest::Approx(std::log(sum) + 200 - w[0]).epsilon(1e-7));
        }
}
