#include "tools/session/rank_trainer.h"

#include "models/train/evaluate.h"
#include "tools/session/machine.h"
#include "tools/session/save_model.h"

namespace tandem {

namespace {

StoreOptions store_options(const RankSetup& setup) {
    StoreOptions o;
    o.strategy = setup.recipe.sharding_strategy;
    o.prefetch = int(setup.recipe.prefetch);
    o.frozen = frozen_from(setup.recipe);
    o.host = setup.host_weights;
    o.schedules = {training_schedule(setup.params), forward_schedule(setup.params)};
    return o;
}

TrainSettings train_settings(const RankSetup& setup) {
    const Recipe& r = setup.recipe;
    TrainSettings s;
    s.optimizer = r.optimizer;
    s.weight_decay = r.wd;
    if (r.apply_gradient_clipping) s.clip = r.grad_norm;
    s.seed = std::uint64_t(r.seed);
    s.micro_batches = r.gradient_accumulation_steps;
    s.loss = setup.loss;
    return s;
}

}  // namespace

Feed evaluation_feed(const RankSetup& setup) {
    Feed::Options o = feed_options(setup.recipe);
    o.shape.accumulation = 1;
    o.packing = Packing::no;
    return {*setup.eval_data, o};
}

RankTrainer::RankTrainer(Rank& rank, const RankSetup& setup)
    : setup_(setup), rank_(rank), ctx_(rank.context()),
      store_(rank.make_store(setup.params.units, store_options(setup))),
      llama_(make_llama(ctx_, setup.opened.model.config, setup.params, setup.recipe.context_length)),
      trainer_(ctx_, store_, rank.collective(), llama_, train_settings(setup)) {
    if (!setup.recipe.use_gradient_checkpointing) llama_.recompute = Recompute::none;
    if (setup.recipe.activations_on == ActivationsOn::host) llama_.activations = Place::host;
    if (setup.recipe.answers || setup.recipe.sample_prompt)
        generator_.emplace(ctx_, llama_, store_, setup.recipe.context_length);
}

void RankTrainer::plan() {
    StepInput input;
    input.micro = {Feed(setup_.data, feed_options(setup_.recipe)).largest()};
    input.supervised = 1;
    trainer_.plan(input);
    if (setup_.eval_data) mean_loss({evaluation_feed(setup_).largest()}, 1);
    if (generator_) generator_->plan();
}

double RankTrainer::mean_loss(const std::vector<HostBatch>& batches, std::int64_t supervised) {
    return tandem::mean_loss(ctx_, llama_, store_, rank_.collective(), batches, supervised);
}

Answer RankTrainer::answer(std::span<const std::int32_t> prompt, const GenerateSettings& settings) {
    return generator_->run(prompt, settings);
}

void RankTrainer::restore(const Checkpoint& checkpoint) { restore_checkpoint(checkpoint, ctx_, trainer_); }

std::uint64_t RankTrainer::checkpoint(const std::filesystem::path& root, const Manifest& manifest,
                                      std::int64_t keep) {
    return save_checkpoint(root, manifest, keep, ctx_, rank_.collective(), trainer_);
}

void RankTrainer::save(const Result& result) {
    const Opened& o = setup_.opened;
    const Params& params = setup_.params;
    if (trains_adapter(setup_.recipe)) save_adapter(result, o.adapter, params, ctx_, rank_.collective(), trainer_);
    else save_model(result, o.model, params, ctx_, rank_.collective(), trainer_);
}

}  // namespace tandem
