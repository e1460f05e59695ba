#include "tools/train_run.h"

#include <fmt/core.h>

#include <chrono>

#include "models/train/evaluate.h"
#include "ops/gemm/gemm.h"
#include "tools/save_model.h"
#include "tools/signals.h"

namespace tandem {

namespace {

// After this many steps in a row without a usable update the run is broken.
constexpr std::int64_t most_bad_steps = 5;

StoreOptions store_options(const TrainRun& run) {
    StoreOptions o;
    switch (run.options.sharding_strategy) {
        case ShardingStrategy::ddp: o.strategy = Strategy::ddp; break;
        case ShardingStrategy::shard_grad_op: o.strategy = Strategy::shard_grad_op; break;
        case ShardingStrategy::full_shard: o.strategy = Strategy::full_shard; break;
    }
    o.prefetch = int(run.options.prefetch);
    o.mirror = run.mirror.get();
    o.schedules = {training_schedule(run.params), forward_schedule(run.params)};
    return o;
}

TrainSettings train_settings(const TrainOptions& o) {
    TrainSettings s;
    s.optimizer = o.optimizer;
    s.weight_decay = o.wd;
    if (o.apply_gradient_clipping) s.clip = o.grad_norm;
    s.seed = std::uint64_t(o.seed);
    s.micro_batches = o.gradient_accumulation_steps;
    return s;
}

DataFeed eval_feed(const TrainRun& run) {
    DataFeed::Options o = run.feed();
    o.shape.accumulation = 1;
    o.packing = Packing::no;
    return {*run.eval_data, o};
}

std::int64_t positions(const TrainRun& run) { return run.options.context_length; }

}  // namespace

DataFeed::Options TrainRun::feed() const {
    return {{world_size(), options.batch_size, options.gradient_accumulation_steps},
            options.packing ? Packing::yes : Packing::no,
            options.context_length,
            std::uint64_t(options.seed),
            options.shuffle ? Shuffle::yes : Shuffle::no};
}

TrainRank::TrainRank(TrainRun& run, Rank& rank, Console* console)
    : run_(run), rank_(rank), console_(console), ctx_(rank.context()),
      store_(rank.make_store(run.params.units, store_options(run))),
      llama_(make_llama(ctx_, run.model.config, run.params, positions(run),
                        run.options.use_gradient_checkpointing ? Recompute::block : Recompute::none)),
      trainer_(ctx_, store_, rank.collective(), llama_, train_settings(run.options)) {
    if (!run.sample_prompt.empty()) generator_.emplace(ctx_, llama_, store_, positions(run));
}

void TrainRank::plan() {
    StepInput input;
    input.micro = {DataFeed(run_.data, run_.feed()).largest()};
    input.supervised = 1;
    trainer_.plan(input);
    if (run_.eval_data) mean_loss(ctx_, llama_, store_, rank_.collective(), {eval_feed(run_).largest()}, 1);
    if (generator_) generator_->plan();
}

void plan_memory(TrainRun& run, const LaunchOptions& launch) {
    LaunchOptions options = launch;
    options.recompute_plan = &run.recompute;
    for (int r = 0; r < run.world_size(); r++) {
        PlanRank planned(options, r);
        TrainRank rank(run, planned.rank(), nullptr);
        rank.plan();
        run.memory.push_back(planned.plan());
    }
}

void TrainRank::load() {
    int r = ctx_.rank();
    run_.stores[std::size_t(r)] = &store_;
    rank_.collective().barrier();
    WeightSource source{run_.model.weights ? &*run_.model.weights : nullptr,
                        run_.init_adapter ? &*run_.init_adapter : nullptr, std::uint64_t(run_.options.seed)};
    std::uint64_t part = load_weights(run_.params, source, run_.stores, r, ctx_.world_size(), ctx_);
    std::vector<std::uint64_t> parts(std::size_t(ctx_.world_size()));
    rank_.collective().all_gather(std::as_bytes(std::span(&part, 1)), std::as_writable_bytes(std::span(parts)));
    for (std::uint64_t p : parts) base_hash_ += p;
    store_.updated(ctx_.compute());
}

void TrainRank::restore() {
    if (!run_.resume) return;
    const Manifest& m = run_.resume->manifest;
    if (m.base_hash != base_hash_)
        throw InputError(
            fmt::format("{} was made from other base weights than {} holds; use --resume never or another --output-dir",
                        run_.resume->folder.string(), run_.model.name));
    restore_checkpoint(*run_.resume, ctx_, trainer_);
    last_checkpoint_ = last_evaluation_ = m.step;
    if (!first()) return;
    console_->line(fmt::format("resumed at step {} from {}", m.step, run_.resume->folder.string()));
    std::string kernels = kernels_of(ctx_);
    if (m.kernels != kernels)
        console_->line(
            fmt::format("the checkpoint was computed by {} kernels, this machine has {}: from here on the last "
                        "bits differ from an uninterrupted run's",
                        m.kernels, kernels));
}

void TrainRank::train() {
    load();
    restore();
    if (first()) metrics_.emplace(run_.options.output_dir / "metrics.jsonl", run_.start_step());
    DataFeed feed(run_.data, run_.feed());
    if (run_.start_step() == 0) sample("before");
    std::int64_t done = run_.start_step();
    for (bool stopping = false; done < run_.total_steps && !stopping;) {
        step(done++, feed);
        std::vector<double> stop{stop_requested() ? 1.0 : 0.0};  // ranks must agree
        rank_.collective().sum(stop);
        stopping = stop[0] > 0;
        after_step(done, feed, stopping);
        if (stopping && done < run_.total_steps && first())
            console_->line(fmt::format("stopped by a signal; the same command goes on from step {}", last_checkpoint_));
    }
    if (done == run_.total_steps) {
        if (run_.eval_data && last_evaluation_ != done) evaluate(done);
        sample("after");
    }
    save();
    // Made last: it says that evaluation and results are complete as well.
    if (done == run_.total_steps && last_checkpoint_ != done && bad_in_a_row_ == 0) checkpoint(done);
    gather_peaks();
}

void TrainRank::step(std::int64_t done, DataFeed& feed) {
    auto begin = std::chrono::steady_clock::now();
    double lr = learning_rate(run_.options.lr_scheduler, run_.options.lr, done, run_.total_steps);
    StepInput input = feed.step(done, ctx_.rank());
    StepResult result = trainer_.step(input, lr);
    check_update(result);
    if (!first()) return;
    StepMetrics m{done + 1,
                  feed.epoch(done + 1),
                  result.loss,
                  result.grad_norm,
                  lr,
                  feed.tokens(done),
                  input.supervised,
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
    metrics_->add(m);
    console_->step(m, run_.total_steps);
}

void TrainRank::check_update(const StepResult& result) {
    bad_in_a_row_ = result.bad.empty() ? 0 : bad_in_a_row_ + 1;
    if (result.bad.empty()) return;
    std::string what = fmt::format("step {}: {} is not finite", trainer_.steps(), result.bad);
    if (first()) console_->line(what + "; the step is skipped on every rank");
    if (bad_in_a_row_ == most_bad_steps)
        throw Error(
            fmt::format("{}, as in the {} steps before; lower --lr or look at the data; the last checkpoint is sound",
                        what, most_bad_steps - 1));
}

void TrainRank::after_step(std::int64_t done, const DataFeed& feed, bool stopping) {
    const TrainOptions& o = run_.options;
    bool evaluates = o.eval_every > 0 ? done % o.eval_every == 0 : done % feed.steps().steps_per_epoch() == 0;
    if (run_.eval_data && evaluates) evaluate(done);
    bool due = stopping || (o.checkpoint_every > 0 && done % o.checkpoint_every == 0);
    if (due && done < run_.total_steps && bad_in_a_row_ == 0) checkpoint(done);
}

void TrainRank::evaluate(std::int64_t done) {
    DataFeed feed = eval_feed(run_);
    double loss = mean_loss(ctx_, llama_, store_, rank_.collective(), feed.once(ctx_.rank()), feed.supervised());
    last_evaluation_ = done;
    if (!first()) return;
    metrics_->add_evaluation(done, loss);
    console_->evaluation(done, loss);
}

void TrainRank::sample(const std::string& when) {
    if (!generator_) return;
    GenerateSettings settings;
    settings.max_new_tokens = 64;
    settings.eos_ids = run_.model.text.chat ? run_.model.chat_eos_ids() : run_.model.eos_ids();
    Answer answer = generator_->run(run_.sample_prompt, settings);
    if (!first()) return;
    run_.answers.emplace_back(when, run_.model.tokenizer->decode(answer.ids, DecodeSpecial::skip));
    if (answer.end == AnswerEnd::capacity)
        console_->line(fmt::format("the answer {} training was cut after {} tokens: prompt and answer fill the context "
                                   "of {}",
                                   when, answer.ids.size(), positions(run_)));
}

void TrainRank::checkpoint(std::int64_t done) {
    Manifest m;
    m.step = done;
    m.updates = trainer_.updates();
    m.world_size = ctx_.world_size();
    m.base_hash = base_hash_;
    m.data_hash = run_.data.hash();
    m.kernels = kernels_of(ctx_);
    m.options = run_.options_json;
    save_checkpoint(run_.options.output_dir / "checkpoints", m, run_.options.keep, ctx_, rank_.collective(), trainer_);
    last_checkpoint_ = done;
}

void TrainRank::save() {
    std::filesystem::path folder = run_.options.output_dir / (run_.trains_adapter() ? "adapter" : "model");
    if (run_.trains_adapter())
        save_adapter(folder, run_.adapter, run_.params, ctx_, rank_.collective(), trainer_);
    else if (run_.options.save_model)
        save_model(folder, run_.model, run_.params, ctx_, rank_.collective(), trainer_);
    else
        return;
    if (first()) run_.saved = folder;
}

void TrainRank::gather_peaks() {
    Console::Peaks mine = ctx_.memory().ledger().peak;
    std::vector<Console::Peaks> all(std::size_t(ctx_.world_size()));
    rank_.collective().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
    if (first()) run_.peaks = std::move(all);
}

}  // namespace tandem
