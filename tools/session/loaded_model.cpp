#include "tools/session/loaded_model.h"

#include "models/train/check_weights.h"
#include "tools/session/load.h"
#include "tools/session/machine.h"
#include "tools/session/settings/model_settings.h"

namespace tandem {

namespace {

LayerStore& make_store(Rank& rank, const ModelRecipe& recipe, const Params& params, HostWeights* host) {
    StoreOptions o;
    o.schedules = {forward_schedule(params)};
    o.frozen = frozen_from(recipe);
    o.host = host;
    return rank.make_store(params.units, o);
}

}  // namespace

ModelRank::ModelRank(Rank& r, const ModelRecipe& recipe, const LlamaConfig& config, const Params& params,
                     HostWeights* host)
    : rank(r), store(make_store(r, recipe, params, host)),
      llama(make_llama(r.context(), config, params, recipe.context_length)) {}

LoadedModel::LoadedModel(const ModelRecipe& recipe, const Model& model, const Adapter* adapter, Largest largest)
    : recipe_(settled(recipe)), model_(model), adapter_(adapter), largest_(std::move(largest)),
      params_(make_params(recipe_)), need_(plan(recipe_, params_)) {}

LoadedModel::~LoadedModel() = default;

Params LoadedModel::make_params(const ModelRecipe& recipe) const {
    ParamSetup setup;
    setup.compute = compute_type(recipe.precision);
    setup.quant = base_quant(model_, recipe);
    if (adapter_) setup.lora = lora_spec(*adapter_);
    Params params = tandem::make_params(model_.config, setup);
    if (model_.weights) check_weights(model_.config, params, *model_.weights);
    if (adapter_) check_adapter(params, *adapter_);
    return params;
}

WeightSource LoadedModel::weights() const {
    constexpr std::uint64_t seed = 42;  // of random weights
    return {model_.weights ? &*model_.weights : nullptr, adapter_, seed};
}

MemoryNeed LoadedModel::plan(const ModelRecipe& recipe, const Params& params) const {
    const LaunchOptions l = launch_options(recipe, params);
    std::vector<RankPlan> plans;
    for (int r = 0; r < l.world_size; r++) {
        PlanRank planned(l, r);
        {
            ModelRank rank(planned.rank(), recipe, model_.config, params, nullptr);
            largest_(rank, recipe);
        }
        plans.push_back(planned.plan());
    }
    return memory_need(recipe, l, std::move(plans), params, weights());
}

void LoadedModel::require_room(const Room& room, const Changes& smaller) {
    settle_places(room);
    room_checked_ = true;
    const std::vector<Shortage> now = shortages(need_, room);
    if (!now.empty()) refuse<ModelRecipe>(now, recipe_, room, smaller, need_with());
}

NeedWith<ModelRecipe> LoadedModel::need_with() const {
    return [this](const ModelRecipe& changed) { return std::optional(plan(changed, make_params(changed))); };
}

std::string LoadedModel::settle_places(const Room& room) {
    const std::string elsewhere =
        tandem::settle_places<ModelRecipe>(recipe_, shortages(need_, room), room, need_with());
    if (!elsewhere.empty()) need_ = plan(recipe_, params_);
    return elsewhere;
}

void LoadedModel::start(const LoadProgress& progress) {
    if (!room_checked_) require_room(room_of(recipe_), {});
    host_weights_ = make_host_weights(recipe_, params_);
    LaunchOptions l = launch_options(recipe_, params_);
    l.plans = need_.plans;
    WeightLoader loader(params_, weights(), l.world_size, progress);
    ranks_ = std::make_unique<Ranks>(l);
    models_.emplace(*ranks_);
    ranks_->run([&](Rank& rank) {
        ModelRank& made = models_->make(rank, rank, recipe_, model_.config, params_, host_weights_.get());
        loader.load(rank, made.store);
    });
}

void LoadedModel::run(const std::function<void(ModelRank&)>& body) {
    ranks_->run([&](Rank& rank) { body(models_->of(rank)); });
}

}  // namespace tandem
