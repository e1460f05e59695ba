#include "tools/train_run.h"

#include <fmt/core.h>

#include <chrono>

#include "models/llama/first_bad.h"
#include "models/train/evaluate.h"
#include "models/io/files.h"
#include "ops/gemm/gemm.h"
#include "tools/path_identity.h"
#include "tools/run_content.h"
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
    run_.checkpoint_bytes.push_back(checkpoint_bytes(ctx_, trainer_));
}

void plan_memory(TrainRun& run, const LaunchOptions& launch) {
    LaunchOptions options = launch;
    run.memory.clear();
    run.checkpoint_bytes.clear();
    run.recompute = {};
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
    base_hash_ = shape_hash(run_.model.config);
    for (std::uint64_t p : parts) base_hash_ += p;
    store_.updated(ctx_.compute());
}

void TrainRank::restore() {
    if (!run_.resume) return;
    const Manifest& m = run_.resume->manifest;
    if (m.base_hash != base_hash_)
        throw InputError(
            fmt::format("{} was made from other base weights or another config.json than {} holds; use --resume never "
                        "or another --output-dir",
                        run_.resume->folder.string(), run_.model.name));
    restore_checkpoint(*run_.resume, ctx_, trainer_);
    applied_ = m.step;
    if (lies_in(run_.resume->folder, run_.outputs->checkpoints())) {  // else this folder has none yet
        last_checkpoint_ = m.step;
        checkpoint_hash_ = m.hash;
    }
    if (!first()) return;
    console_->line(fmt::format("resumed at step {} from {}", m.step, run_.resume->folder.string()));
    std::string kernels = kernels_of(ctx_);
    if (m.kernels != kernels)
        console_->line(
            fmt::format("the checkpoint was computed by {} kernels, this machine has {}: from here on the last "
                        "bits differ from an uninterrupted run's",
                        m.kernels, kernels));
}

// From here on the output folder changes.
void TrainRank::begin_outputs() {
    double evaluated = 0;
    if (first()) {
        SignalsLater while_they_begin;
        if (run_.is_demo) run_.outputs->remove_all();
        else if (!run_.resume) run_.outputs->set_checkpoints_aside();
        write_file(run_.outputs->config(), run_.options_json + "\n");
        metrics_.emplace(run_.outputs->metrics(), run_.start_step(),
                         run_.resume ? run_.resume->manifest.lines : std::vector<std::string>());
        evaluated = double(metrics_->last_evaluation());
    }
    rank_.collective().sum(std::span(&evaluated, 1));
    last_evaluation_ = std::int64_t(evaluated);
}

void TrainRank::train() {
    load();
    restore();
    if (run_.resumption == Resumption::to_compare) return;
    begin_outputs();
    DataFeed feed(run_.data, run_.feed());
    if (run_.start_step() == 0) sample("before");
    std::int64_t done = run_.start_step();
    if (first()) finish_steps_first();
    for (bool stopping = false; done < run_.total_steps && !stopping;) {
        step(done++, feed);
        after_step(done, feed);
        stopping = must_stop();
    }
    finish(done);
}

bool TrainRank::must_stop() {
    bool mine = stop_requested() || (first() && !metrics_->unwritten().empty());
    std::vector<double> all{mine ? 1.0 : 0.0};  // ranks must agree
    rank_.collective().sum(all);
    return all[0] > 0;
}

// The checkpoint comes first: whatever fails after it, nothing that was learnt is lost.
void TrainRank::finish(std::int64_t done) {
    if (trainer_.updates() == 0)
        throw Error(fmt::format("no step of {} changed a weight: every loss or gradient was not finite; there is no "
                                "result; lower --lr or look at the data",
                                done));
    checkpoint();
    if (done == run_.total_steps) {
        if (run_.eval_data && last_evaluation_ != done) evaluate(done);
        sample("after");
    } else if (first()) {
        console_->line(fmt::format("stopped {}; the same command goes on from step {}",
                                   stop_requested() ? "by a signal" : "early", last_checkpoint_));
    }
    save();
    if (bad_in_a_row_ > 0 && first())
        console_->line(fmt::format("what is saved is of step {}: the {} after it changed nothing", applied_,
                                   bad_in_a_row_ == 1 ? "step" : fmt::format("{} steps", bad_in_a_row_)));
    gather_peaks();
    if (first() && !metrics_->unwritten().empty())
        throw Error(fmt::format("{}: cannot be written, is the disk full? What was trained is saved: the same command "
                                "goes on from step {}",
                                run_.outputs->metrics().string(), last_checkpoint_));
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
    if (result.bad.empty()) {
        applied_ = trainer_.steps();
        bad_in_a_row_ = 0;
        return;
    }
    bad_in_a_row_++;
    std::string what = fmt::format("step {}: {} is not finite", trainer_.steps(), result.bad);
    if (first()) console_->line(what + "; the step is skipped on every rank");
    if (bad_in_a_row_ < most_bad_steps) return;
    if (applied_ > 0) checkpoint();
    throw Error(
        fmt::format("{}, as in the {} steps before; lower --lr or look at the data; {}", what, most_bad_steps - 1,
                    applied_ > 0 ? fmt::format("the checkpoint of step {} is sound", applied_) : "nothing was learnt"));
}

void TrainRank::after_step(std::int64_t done, const DataFeed& feed) {
    const TrainOptions& o = run_.options;
    bool evaluates = o.eval_every > 0 ? done % o.eval_every == 0 : done % feed.steps().steps_per_epoch() == 0;
    if (run_.eval_data && evaluates) evaluate(done);
    bool due = o.checkpoint_every > 0 && done % o.checkpoint_every == 0;
    if (due && done < run_.total_steps && bad_in_a_row_ == 0) checkpoint();
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
    settings.max_new_tokens = sample_answer_tokens;
    settings.eos_ids = run_.model.text.chat ? run_.model.chat_eos_ids() : run_.model.eos_ids();
    Answer answer;
    try {
        answer = generator_->run(run_.sample_prompt, settings);
    } catch (const NotFinite& e) {  // on every rank; no reason to lose what was trained
        if (first()) run_.answers.emplace_back(when, e.message());
        return;
    }
    if (!first()) return;
    run_.answers.emplace_back(when, run_.model.tokenizer->decode(answer.ids, DecodeSpecial::skip));
    if (answer.end == AnswerEnd::capacity)
        console_->line(fmt::format("the answer {} training was cut after {} tokens: prompt and answer fill the context "
                                   "of {}",
                                   when, answer.ids.size(), positions(run_)));
}

// Of the last update: a skipped step is done again by a run that goes on, so that its streak counts as before.
void TrainRank::checkpoint() {
    if (last_checkpoint_ == applied_) return;
    Manifest m;
    m.step = applied_;
    m.updates = trainer_.updates();
    m.content = run_.content;
    m.base_hash = base_hash_;
    m.model_files = run_.model_files;
    m.kernels = kernels_of(ctx_);
    m.options = run_.options_json;
    if (first()) m.lines = metrics_->unwritten();
    checkpoint_hash_ =
        save_checkpoint(run_.outputs->checkpoints(), m, run_.options.keep, ctx_, rank_.collective(), trainer_);
    last_checkpoint_ = applied_;
}

void TrainRank::save() {
    if (!run_.outputs->result()) return;
    Result result{*run_.outputs->result(), applied_, checkpoint_hash_};
    if (first() && !metrics_->unwritten().empty()) result.checkpoint = 0;  // not finished: lines are missing
    try {
        write_result(result);
    } catch (const Aborted&) {
        throw;
    } catch (const Error& e) {
        throw Error(fmt::format("{}; nothing is lost: the checkpoint of step {} holds what was trained, and the same "
                                "command writes {} from it",
                                e.message(), last_checkpoint_, result.folder.string()));
    }
    if (first()) run_.saved = result.folder;
}

void TrainRank::write_result(const Result& result) {
    if (run_.trains_adapter()) save_adapter(result, run_.adapter, run_.params, ctx_, rank_.collective(), trainer_);
    else save_model(result, run_.model, run_.params, ctx_, rank_.collective(), trainer_);
}

void TrainRank::gather_peaks() {
    Console::Peaks mine = ctx_.memory().ledger().peak;
    std::vector<Console::Peaks> all(std::size_t(ctx_.world_size()));
    rank_.collective().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
    if (first()) run_.peaks = std::move(all);
}

}  // namespace tandem
