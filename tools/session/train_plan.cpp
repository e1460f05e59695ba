#include "tools/session/train_plan.h"

#include <algorithm>

#include "tools/session/machine.h"
#include "tools/session/room/smaller.h"
#include "tools/session/save_model.h"

namespace tandem {

namespace {

// What decides how large a batch is.
std::int64_t longest_row(const RankSetup& setup) {
    if (setup.recipe.packing) return setup.recipe.context_length;
    return std::max(setup.data.largest().length, setup.eval_data ? setup.eval_data->largest().length : 0);
}

// What a run with another recipe takes, its adapter made anew and its samples cut to a shorter context; none where they
// cannot be trained on.
std::optional<MemoryNeed> need_with(const Recipe& recipe, const RankSetup& setup) {
    std::optional<Params> params;
    if (recipe.lora_rank != setup.recipe.lora_rank) params = make_recipe_params(recipe, setup.opened);
    RankSetup changed{recipe, setup.opened, params ? *params : setup.params, setup.data, setup.eval_data, nullptr,
                      setup.loss};
    if (recipe.context_length == setup.recipe.context_length) return plan_training(changed).memory;
    const std::int64_t tokens = recipe.context_length;
    if (std::int64_t(setup.opened.sample_prompt.size()) >= tokens) return std::nullopt;
    const std::optional<Dataset> data = cut_samples(setup.data, tokens);
    const std::optional<Dataset> eval_data =
        setup.eval_data ? cut_samples(*setup.eval_data, tokens) : std::optional<Dataset>();
    if (!data || bool(setup.eval_data) != eval_data.has_value()) return std::nullopt;
    return plan_training({recipe, setup.opened, changed.params, *data, eval_data ? &*eval_data : nullptr, nullptr,
                          setup.loss})
        .memory;
}

}  // namespace

LaunchOptions launch_options(const Recipe& recipe, const Params& params) {
    LaunchOptions l = launch_options(static_cast<const ModelRecipe&>(recipe), params);
    l.transport = recipe.transport;
    return l;
}

TrainPlan plan_training(const RankSetup& setup) {
    LaunchOptions l = launch_options(setup.recipe, setup.params);
    TrainPlan plan;
    l.recompute_plan = &plan.recompute;
    std::vector<RankPlan> plans;
    for (int r = 0; r < l.world_size; r++) {
        PlanRank planned(l, r);
        RankTrainer rank(planned.rank(), setup);
        rank.plan();
        plan.checkpoint_bytes.push_back(checkpoint_bytes(planned.rank().context(), rank.trainer()));
        plans.push_back(planned.plan());
    }
    const Params& params = setup.params;
    plan.memory = memory_need(setup.recipe, l, std::move(plans), params, setup.opened.weights(0));
    plan.memory.saving.assign(plan.memory.saving.size(), saving_bytes(params, l.world_size));
    return plan;
}

void require_room(const RankSetup& setup, const MemoryNeed& need, const Room& room, Begin begin) {
    const std::vector<Shortage> now = shortages(need, room);
    if (now.empty()) return;
    const auto changes = begin == Begin::resumed ? smaller_resumed_training(setup.recipe)
                                                 : smaller_training(setup.recipe, longest_row(setup));
    refuse<Recipe>(now, setup.recipe, room, changes,
                   [&](const Recipe& changed) { return need_with(changed, setup); });
}

std::string settle_places(Recipe& recipe, const RankSetup& setup, const MemoryNeed& need, const Room& room) {
    return settle_places<Recipe>(recipe, shortages(need, room), room,
                                 [&](const Recipe& changed) { return need_with(changed, setup); });
}

}  // namespace tandem
