#include "ops/adamw/adamw.h"
#include "ops/fill/fill.h"
#include "ops/grad_norm/grad_norm.h"
#include "ops/sgd/sgd.h"
#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::vector<double> start{0.5, -1.25, 2.0, 0.003};
const Arrays gradients{{0.1, -2.0, 0.0, 1e-4}, {0.3, 1.0, 1e-6, -5.0}, {-0.2, 0.5, 4.0, 0.25}};

// 1e-6 relative: a few f32 units of 6e-8 over three steps; torch's kernels fuse some of the products.
void check_values(Context& ctx, const Tensor& got, const std::vector<double>& expected) {
    std::vector<double> v = values_of(ctx, got);
    for (std::size_t i = 0; i < expected.size(); i++) CHECK(v[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

struct On {
    DeviceKind kind;
    DType type;
};
const std::vector<On>& devices_and_types() {
    static const std::vector<On> all = [] {
        std::vector<On> a{{DeviceKind::cpu, DType::f64}};
        for (DeviceKind kind : device_kinds()) a.push_back({kind, DType::f32});
        return a;
    }();
    return all;
}

}  // namespace

// torch 2.15: AdamW(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, foreach=False), float32, gradients halved.
TEST_CASE("adamw steps as torch.optim.AdamW") {
    for (auto [kind, type] : devices_and_types()) {
        TestRank rank(DType::f32, 1, kind);
        Tensor p = tensor_of(rank.ctx, {4}, type, start), g = rank.ctx.empty({4}, type, "g");
        Tensor m = rank.ctx.empty({4}, type, "m"), v = rank.ctx.empty({4}, type, "v");
        fill_zero(rank.ctx, m);
        fill_zero(rank.ctx, v);
        for (std::size_t i = 0; i < gradients.size(); i++) {
            set_values(rank.ctx, g, gradients[i]);
            adamw(rank.ctx, {.master = p,
                             .gradient = g,
                             .m = m,
                             .v = v,
                             .lr = 0.01,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .eps = 1e-8,
                             .weight_decay = 0.1,
                             .gradient_scale = 0.5,
                             .step = std::int64_t(i) + 1});
            CHECK(values_of(rank.ctx, g) == std::vector<double>(4, 0.0));
            if (i == 0)
                check_values(rank.ctx, p,
                             {0.4895000159740448, -1.2387499809265137, 1.9980000257492065, -0.0070009995251894});
        }
        check_values(rank.ctx, p,
                     {0.47677385807037354, -1.2329990863800049, 1.9803884029388428, 0.0058725327253341675});
        check_values(rank.ctx, m,
                     {0.007550001610070467, -0.010999999940395355, 0.20000004768371582, -0.21249595284461975});
        check_values(rank.ctx, v,
                     {3.4972505090991035e-05, 0.0013102510711178184, 0.004000000189989805, 0.006259375251829624});
    }
}

// torch 2.15: SGD(lr=0.01, weight_decay=0.1), float32, gradients halved.
TEST_CASE("sgd steps as torch.optim.SGD") {
    for (auto [kind, type] : devices_and_types()) {
        TestRank rank(DType::f32, 1, kind);
        Tensor p = tensor_of(rank.ctx, {4}, type, start), g = rank.ctx.empty({4}, type, "g");
        for (const std::vector<double>& gradient : gradients) {
            set_values(rank.ctx, g, gradient);
            sgd(rank.ctx, {.master = p, .gradient = g, .lr = 0.01, .weight_decay = 0.1, .gradient_scale = 0.5});
            CHECK(values_of(rank.ctx, g) == std::vector<double>(4, 0.0));
        }
        check_values(rank.ctx, p, {0.49750402569770813, -1.2437688112258911, 1.9740060567855835, 0.026715507730841637});
    }
}

// Sums of small integers are exact in double, whatever the order.
TEST_CASE("sum of squares over several blocks, for any number of threads; infinity shows") {
    for (std::int64_t n : {0, 1, 31, 65536, 200003})
        for (auto [kind, type] : devices_and_types())
            for (int threads : {1, 3}) {
                TestRank rank(DType::f32, threads, kind);
                std::vector<double> x(static_cast<std::size_t>(n));
                double expected = 0;
                for (std::size_t i = 0; i < x.size(); i++) {
                    x[i] = double(i % 7) - 3;
                    expected += x[i] * x[i];
                }
                Tensor out = rank.ctx.empty({1}, DType::f64, "out"), t = tensor_of(rank.ctx, {n}, type, x);
                sum_of_squares(rank.ctx, t, out);
                CHECK(value_of(rank.ctx, out) == expected);
                if (n == 0) continue;
                x.back() = INFINITY;
                set_values(rank.ctx, t, x);
                sum_of_squares(rank.ctx, t, out);
                CHECK_FALSE(std::isfinite(value_of(rank.ctx, out)));
            }
}

TEST_CASE("fill_zero writes every byte of its tensor, and none beside it") {
    for (DeviceKind kind : device_kinds()) {
        TestRank rank(DType::f32, 3, kind);
        for (std::int64_t n : {std::int64_t(0), std::int64_t(5), std::int64_t(1 << 20) + 3}) {
            Tensor t = rank.ctx.empty({n + 1}, DType::u8, "t");
            rank.ctx.compute().fill(t.data(), 0xa5, t.bytes());
            fill_zero(rank.ctx, t.slice(0, n));
            std::vector<std::byte> bytes(t.bytes());
            rank.ctx.download(bytes, t);
            CHECK(std::all_of(bytes.begin(), bytes.end() - 1, [](std::byte b) { return b == std::byte(0); }));
            CHECK(bytes.back() == std::byte(0xa5));
        }
    }
}

namespace {

// Masters and what the optimizer keeps, after some steps from random numbers of very different sizes.
template <class Step> Arrays after_steps(DeviceKind kind, std::int64_t n, Step step) {
    TestRank rank(DType::f32, 1, kind);
    std::mt19937 random(1);
    std::normal_distribution<double> normal(0, 1);
    auto numbers = [&] {
        std::vector<double> v(static_cast<std::size_t>(n));
        for (double& e : v) e = normal(random) * std::pow(10, normal(random));
        return v;
    };
    Tensor p = tensor_of(rank.ctx, {n}, DType::f32, numbers()), g = rank.ctx.empty({n}, DType::f32, "g");
    Tensor m = rank.ctx.empty({n}, DType::f32, "m"), v = rank.ctx.empty({n}, DType::f32, "v");
    fill_zero(rank.ctx, m);
    fill_zero(rank.ctx, v);
    for (int i = 1; i <= 3; i++) {
        set_values(rank.ctx, g, numbers());
        step(rank.ctx, p, g, m, v, i);
    }
    return {values_of(rank.ctx, p), values_of(rank.ctx, g), values_of(rank.ctx, m), values_of(rank.ctx, v)};
}

}  // namespace

TEST_CASE("optimizers on a card: the CPU's bits, by vectors and by elements") {
    if (!has_card()) return;
    auto adamw_step = [](Context& ctx, Tensor p, Tensor g, Tensor m, Tensor v, int step) {
        adamw(ctx, {p, g, m, v, 1e-3, 0.9, 0.95, 1e-8, 0.1, 0.7, step});
    };
    auto sgd_step = [](Context& ctx, Tensor p, Tensor g, Tensor, Tensor, int) { sgd(ctx, {p, g, 0.03, 0.1, 0.7}); };
    for (std::int64_t n : {1, 1025, 4096}) {
        CHECK(after_steps(DeviceKind::cuda, n, adamw_step) == after_steps(DeviceKind::cpu, n, adamw_step));
        CHECK(after_steps(DeviceKind::cuda, n, sgd_step) == after_steps(DeviceKind::cpu, n, sgd_step));
    }
}
