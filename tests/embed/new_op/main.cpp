// A new op with its backward, checked, then trained in a graph of its own: embedding, the op, lm_head.
#include <tandem/check_op/check_op.h>
#include <tandem/check_op/values.h>
#include <tandem/dist/local_rank.h>
#include <tandem/ops/embedding/embedding.h>
#include <tandem/ops/lm_head/lm_head.h>
#include <tandem/ops/sgd/sgd.h>
#include <tandem/ops/simd/gradient.h>
#include <tandem/ops/simd/parallel.h>

#include <cmath>
#include <cstdio>

using namespace tandem;

// to = addend + f(x, dy) of every element, on CPU ranks. A kernel for cards would be an overload, of CudaDevice.
void apply(const CpuDevice& device, const Tensor& x, const Tensor& dy, const GradOut& to, auto f) {
    visit_compute(x.dtype(), [&]<class T>() {
        const T *in = x.as<T>(), *gradient = dy.as<T>();
        auto value = [&](std::int64_t i) { return accumulate_t<T>(f(double(in[i]), double(gradient[i]))); };
        simd::parallel_blocks(device, x.elements(), [&](std::int64_t begin, std::int64_t end) {
            simd::write_gradient<T>(to, begin, end, value);
        });
    });
}

// y = cap * tanh(x / cap)
Value softcap(Context& ctx, const Value& x, double cap) {
    Value y(ctx.run({"softcap", cost::elementwise(x, x), {x}}, like(x, "softcap.y"),
                    [&](const CpuDevice& device, const Tensor& y) {
                        apply(device, x, x, {y, {}}, [cap](double x, double) { return cap * std::tanh(x / cap); });
                    }));
    ctx.backward(y, {x}, [x, cap](Context& ctx, Tensor dy) {
        const GradOut dx = ctx.grad(x);
        ctx.run({"softcap.backward", cost::elementwise(x, dy), {x, dy}, {dx}}, [&](const CpuDevice& d) {
            apply(d, x, dy, dx, [cap](double x, double dy) { return dy * (1 - std::pow(std::tanh(x / cap), 2)); });
        });
    });
    return y;
}

constexpr std::int64_t vocab = 128, hidden = 32, size = vocab * hidden;

// The loss of naming the next id; its gradients go to the store.
double forward_backward(Context& ctx, LayerStore& store, const Tensor& ids, const LossTargets& next) {
    const Param table{.unit = 0, .trainable = true, .shape = {vocab, hidden}};
    const Weight head{{.unit = 0, .trainable = true, .offset = size, .shape = {vocab, hidden}}, {}};
    store.schedule({{0}});
    LeaseScope lease(ctx, store, 0);
    GradScope gradients(ctx, store, 0);
    Tape tape;
    TapeScope recording(ctx, &tape);
    const Value h = softcap(ctx, embedding(ctx, ids, table), 2);
    const Tensor loss = lm_head_loss(ctx, h, head, next, {.scale = 1.0 / double(next.rows.elements())});
    tape.run(ctx);
    std::move(gradients).reduce();
    return value_of(ctx, loss);
}

int main() {
    check_op({.inputs = {{15}}, .op = [](auto& c, auto& x, auto&) { return softcap(c, x[0], 2); }, .on_cards = false});
    LocalRank rank({.threads = 2});
    Context& ctx = rank.context();
    LayerStore& store = rank.make_store({{"all", 0, 2 * size}}, {.schedules = {{0}}});
    std::vector<float> initial(2 * size);
    for (std::size_t i = 0; i < initial.size(); i++) initial[i] = 0.5f * std::sin(float(i * i));
    store.load_trainable(0, 0, std::as_bytes(std::span(initial)));
    store.updated(ctx.compute());
    const Tensor letters = indices_of(ctx, {'t', 'a', 'n', 'd', 'e', 'm', '.'});
    const LossTargets next{indices_of(ctx, {0, 1, 2, 3, 4, 5}), letters.slice(1, 7)};
    double loss = 0;
    for (int step = 0; step < 50; step++) {
        loss = forward_backward(ctx, store, letters, next);
        const TrainableRange r = store.trainable(0, ctx.compute());
        sgd(ctx, {{r.master, {r.elements}, DType::f32}, {r.gradient, {r.elements}, DType::f32}, 0.5, 0.0, 1.0});
        store.updated(ctx.compute());
    }
    std::printf("loss %.4f\n", loss);
    return loss < 0.1 ? 0 : 1;
}
