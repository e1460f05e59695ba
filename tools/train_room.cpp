#include "tools/train_room.h"

#include <algorithm>

#include "tools/save_model.h"
#include "tools/smaller.h"

namespace tandem {

namespace {

// What decides how large a batch is.
std::int64_t longest_row(const TrainRun& run) {
    if (run.options.packing) return run.options.context_length;
    return std::max(run.data.largest().length, run.eval_data ? run.eval_data->largest().length : 0);
}

// The samples as a shorter context leaves them; false where they cannot be trained on then.
bool cut_data(TrainRun& run) {
    const std::int64_t tokens = run.options.context_length;
    if (std::int64_t(run.sample_prompt.size()) >= tokens) return false;
    std::optional<Dataset> data = cut_samples(run.data, tokens), eval_data;
    if (run.eval_data) eval_data = cut_samples(*run.eval_data, tokens);
    if (!data || run.eval_data.has_value() != eval_data.has_value()) return false;
    run.data = std::move(*data);
    run.eval_data = std::move(eval_data);
    return true;
}

}  // namespace

MemoryNeed plan_training(TrainRun& run, const LaunchOptions& launch) {
    plan_memory(run, launch);
    WeightSource source{run.model.weights ? &*run.model.weights : nullptr,
                        run.init_adapter ? &*run.init_adapter : nullptr};
    MemoryNeed need = memory_need(run.options, launch, run.memory, run.params, source);
    need.saving.assign(need.saving.size(), saving_bytes(run.params, launch.world_size));
    return need;
}

void check_room(TrainRun& run, const MemoryNeed& need, const Room& room) {
    const std::vector<Shortage> now = shortages(need, room);
    if (now.empty()) return;
    const TrainOptions options = run.options;
    const Dataset data = run.data;
    const std::optional<Dataset> eval_data = run.eval_data;
    auto need_with = [&](const TrainOptions& changed) -> std::optional<MemoryNeed> {
        run.options = changed;
        run.data = data;
        run.eval_data = eval_data;
        if (changed.context_length < options.context_length && !cut_data(run)) return std::nullopt;
        return plan_training(run, launch_options(changed, run.params));
    };
    const auto changes =
        run.resume ? smaller_resumed_training(options) : smaller_training(options, longest_row(run));
    refuse<TrainOptions>(now, options, room, changes, need_with);
}

}  // namespace tandem
