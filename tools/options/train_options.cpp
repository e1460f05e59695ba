#include "tools/options/train_options.h"

#include <fmt/core.h>

namespace tandem {

void declare_run(OptionSet& set, TrainOptions& o) {
    declare(set, static_cast<Recipe&>(o));
    set.add("world_size", o.world_size, "number of ranks, as many as --gpus names", {.min = -1}, Resumed::any);
    set.add("log_to", o.log_to, "a progress bar on a terminal, or a line for each step", Resumed::any);
}

void declare(OptionSet& set, TrainOptions& o) {
    declare_run(set, o);
    set.add("plan", o.plan, "say what the run would take, as `tandem plan` does, and end", Resumed::any);
}

std::vector<Conflict> validate(const TrainOptions& o, const OptionSet& set) {
    std::vector<Conflict> all =
        conflicts(static_cast<const Recipe&>(o), set, o.plan ? Devices::anywhere : Devices::here);
    const int ranks = o.gpus.resolved().world_size();
    if (o.world_size != -1 && o.world_size != ranks)
        all.push_back({{"world_size", "gpus"},
                       fmt::format("--world-size expected {}, one for each device of --gpus, got {}",
                                   ranks, o.world_size)});
    if (o.plan && !o.gpu_memory && !o.gpus.resolved().refusal().empty())
        all.push_back({{"gpus", "gpu_memory"},
                       fmt::format("--gpus {} is not here; give what such a card has with --gpu-memory",
                                   o.gpus.text())});
    if (!o.plan && set.given("model") && o.model != "demo" && !set.given("dataset"))
        all.push_back({{"model", "dataset"}, "--dataset is missing; give the file of samples to train this model on"});
    return all;
}

}  // namespace tandem
