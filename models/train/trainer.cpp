#include "models/train/trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/llama/first_bad.h"
#include "ops/adamw/adamw.h"
#include "ops/fill/fill.h"
#include "ops/grad_norm/grad_norm.h"
#include "ops/sgd/sgd.h"

namespace tandem {

namespace {

Tensor view(const std::byte* data, const UnitState& s, DType type) { return {data, Shape{s.range.elements}, type}; }

}  // namespace

Trainer::Trainer(Context& ctx, LayerStore& store, Collective& ranks, const Llama& model, const TrainSettings& settings)
    : ctx_(ctx),
      store_(store),
      ranks_(ranks),
      model_(model),
      settings_(settings),
      schedule_(training_schedule(model.params)) {
    DType type = ctx.gradient_type();
    for (std::size_t u = 0; u < model.params.units.size(); u++) {
        if (!model.params.trains(int(u))) continue;
        UnitState s{int(u), store.trainable(int(u), ctx.compute()), {}, {}};
        if (settings.optimizer == OptimizerKind::adamw) {
            s.m = ctx.empty({s.range.elements}, type, "optimizer.m", Category::optimizer);
            s.v = ctx.empty({s.range.elements}, type, "optimizer.v", Category::optimizer);
            fill_zero(ctx, s.m);
            fill_zero(ctx, s.v);
        }
        states_.push_back(std::move(s));
    }
    numbers_ = ctx.empty({settings.micro_batches + std::int64_t(states_.size())}, DType::f64, "trainer.numbers",
                         Category::workspace);
    ctx.random.seed = settings.seed;
}

void Trainer::restore(std::int64_t steps, std::int64_t updates) {
    steps_ = steps;
    updates_ = updates;
    store_.updated(ctx_.compute());
}

StepResult Trainer::step(const StepInput& input, double lr) {
    ctx_.random.step = std::uint64_t(++steps_);
    StepResult result;
    run_micro_batches(input);
    gradient_squares();
    std::vector<double> sums = numbers();
    ranks_.sum(sums);
    result.loss = sums[0];
    std::vector<double> squares(sums.begin() + 1, sums.end());
    double total = 0;
    for (double s : squares) total += s;
    result.grad_norm = std::sqrt(total);
    result.bad = first_bad(input, result.loss, squares);
    if (!result.bad.empty()) {
        drop_gradients();
        return result;
    }
    updates_++;
    // As torch.nn.utils.clip_grad_norm_ does it.
    update(lr, settings_.clip ? std::min(1.0, *settings_.clip / (result.grad_norm + 1e-6)) : 1.0);
    return result;
}

void Trainer::run_micro_batches(const StepInput& input) {
    if (std::int64_t(input.micro.size()) > settings_.micro_batches)
        throw Error(fmt::format("[trainer] expected at most {} micro-batches, got {}", settings_.micro_batches,
                                input.micro.size()));
    fill_zero(ctx_, numbers_);
    std::int64_t done = 0;
    for (const HostBatch& host : input.micro) {
        RankPhase phase(ctx_.device(), "train");
        store_.schedule(schedule_);
        Batch batch = upload(ctx_, model_.rotary, host);
        Tensor loss = forward_backward(ctx_, model_, store_, batch, 1.0 / double(input.supervised), settings_.loss);
        ctx_.compute().copy(number(done++).data(), loss.data(), loss.bytes());
    }
}

void Trainer::gradient_squares() {
    std::int64_t at = settings_.micro_batches;
    for (UnitState& s : states_) {
        s.range = store_.trainable(s.unit, ctx_.compute());
        sum_of_squares(ctx_, view(s.range.gradient, s, ctx_.gradient_type()), number(at++));
    }
}

// This rank's loss, then each unit's sum of squares. The only wait for the device in a step: clipping needs the norm
// over all ranks.
std::vector<double> Trainer::numbers() {
    std::vector<double> all(std::size_t(numbers_.elements()));
    ctx_.download(std::as_writable_bytes(std::span(all)), numbers_);
    auto squares = all.begin() + settings_.micro_batches;
    std::vector<double> sums{std::accumulate(all.begin(), squares, 0.0)};
    sums.insert(sums.end(), squares, all.end());
    return sums;
}

std::string Trainer::first_bad(const StepInput& input, double loss, const std::vector<double>& squares) {
    if (!std::isfinite(loss)) {
        int unit = first_bad_unit(ctx_, model_, store_, ranks_, input.micro);
        return fmt::format("the loss (the first bad output is that of {})", name_of_output(model_.params, unit));
    }
    // Backward runs from the last unit to the first: the last one with a bad gradient was bad first.
    for (std::size_t i = squares.size(); i-- > 0;)
        if (!std::isfinite(squares[i]))
            return fmt::format("the gradient of {}", name_of_output(model_.params, states_[i].unit));
    return "";
}

void Trainer::plan(const StepInput& input) {
    step(input, 0);
    first_bad_unit(ctx_, model_, store_, ranks_, input.micro);
}

void Trainer::update(double lr, double gradient_scale) {
    DType type = ctx_.gradient_type();
    for (UnitState& s : states_) {
        Tensor master = view(s.range.master, s, type), gradient = view(s.range.gradient, s, type);
        if (settings_.optimizer == OptimizerKind::adamw)
            adamw(ctx_, {.master = master,
                         .gradient = gradient,
                         .m = s.m,
                         .v = s.v,
                         .lr = lr,
                         .beta1 = settings_.beta1,
                         .beta2 = settings_.beta2,
                         .eps = settings_.eps,
                         .weight_decay = settings_.weight_decay,
                         .gradient_scale = gradient_scale,
                         .step = updates_});
        else
            sgd(ctx_, {.master = master,
                       .gradient = gradient,
                       .lr = lr,
                       .weight_decay = settings_.weight_decay,
                       .gradient_scale = gradient_scale});
    }
    store_.updated(ctx_.compute());
}

void Trainer::drop_gradients() {
    for (UnitState& s : states_) fill_zero(ctx_, view(s.range.gradient, s, ctx_.gradient_type()));
}

}  // namespace tandem
