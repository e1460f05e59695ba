#include "tools/options/train_options.h"

#include <fmt/core.h>

namespace tandem {

void declare(OptionSet& set, TrainOptions& o) {
    declare(set, static_cast<Recipe&>(o));
    set.add("world_size", o.world_size, "number of ranks, as many as --gpus names", {.min = -1}, Resumed::any);
    set.add("log_to", o.log_to, "a progress bar on a terminal, or a line for each step", Resumed::any);
}

std::vector<Conflict> validate(const TrainOptions& o, const OptionSet& set) {
    std::vector<Conflict> all = conflicts(static_cast<const Recipe&>(o), set);
    const int ranks = o.gpus.resolved().world_size();
    if (o.world_size != -1 && o.world_size != ranks)
        all.push_back({{"world_size", "gpus"},
                       fmt::format("--world-size expected {}, one for each device of --gpus, got {}",
                                   ranks, o.world_size)});
    if (set.given("model") && o.model != "demo" && !set.given("dataset"))
        all.push_back({{"model", "dataset"}, "--dataset is missing; give the file of samples to train this model on"});
    return all;
}

}  // namespace tandem
