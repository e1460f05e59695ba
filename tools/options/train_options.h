// The options of `train`: a recipe, and what only a command line has.
#pragma once
#include "tools/options/options.h"
#include "tools/session/settings/recipe_settings.h"

namespace tandem {

enum class LogTo { tqdm, stdout_lines };

struct TrainOptions : Recipe {
    TrainOptions() { model = dataset = "demo"; }

    std::int64_t world_size = -1;  // -1: as many as gpus
    LogTo log_to = LogTo::tqdm;
    bool plan = false;  // nothing is trained: devices and data need not be there
};

void declare(OptionSet& set, TrainOptions& options);
void declare_run(OptionSet& set, TrainOptions& options);  // what `plan` takes too
std::vector<Conflict> validate(const TrainOptions& options, const OptionSet& set);

template <> struct SettingNames<LogTo> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, LogTo>>({{"tqdm", LogTo::tqdm}, {"stdout", LogTo::stdout_lines}});
};

}  // namespace tandem
