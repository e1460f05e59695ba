// Changes of options that let a run take less memory, and the refusal that names those which do.
#pragma once
#include "models/text/dataset/dataset.h"
#include "runtime/json.h"
#include "tools/session/settings/recipe_settings.h"
#include "tools/session/room/room.h"

namespace tandem {

template <class Options> using Change = std::function<void(Options&)>;
using Changes = std::vector<Change<ModelRecipe>>;

// All of these: mildest first. `prompt`, `answer`: tokens at most.
Changes smaller_generation(const ModelRecipe& options, std::int64_t prompt, std::int64_t answer);
Changes smaller_evaluation(const ModelRecipe& options);
// The global batch stays. `longest`: of the samples.
std::vector<Change<Recipe>> smaller_training(const Recipe& options, std::int64_t longest);
// Only what may differ where a run goes on from a checkpoint.
std::vector<Change<Recipe>> smaller_resumed_training(const Recipe& options);

// The samples cut to `tokens`, as `truncate` cuts them; none where one has nothing supervised left.
std::optional<Dataset> cut_samples(const Dataset& data, std::int64_t tokens);

// "prefetch 0 batch_size 1": what leads from `was` to `now`, both a Settings::json().
std::string settings_between(const std::string& was, const std::string& now);

template <class Options> std::string json_of(Options options) {
    Settings set;
    declare(set, options);
    return set.json();
}

// Throws DoesNotFit. `need` plans a run with other options; none: there is no such run.
template <class Options>
[[noreturn]] void refuse(const std::vector<Shortage>& now, const Options& options, const Room& room,
                         const std::vector<Change<Options>>& changes,
                         const std::function<std::optional<MemoryNeed>(const Options&)>& need) {
    auto with = [&](const std::vector<std::size_t>& chosen) {
        Options changed = options;
        for (std::size_t i : chosen) changes[i](changed);
        return changed;
    };
    const Advice advice =
        advise(changes.size(), missing(now), [&](const auto& chosen) -> std::optional<std::size_t> {
            std::optional<MemoryNeed> planned = need(with(chosen));
            if (!planned) return std::nullopt;
            return missing(shortages(*planned, room));
        });
    throw DoesNotFit(
        refusal(now.front(), advice, settings_between(json_of(options), json_of(with(advice.changes)))));
}

}  // namespace tandem
