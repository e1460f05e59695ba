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

// Of the places that are left open (auto), those on the host: in the order in which they are to be tried.
Changes open_places(const ModelRecipe& options);
std::vector<Change<Recipe>> open_places(const Recipe& options);
// What is still open is on the device.
void close_places(ModelRecipe& options);
void close_places(Recipe& options);

// The samples cut to `tokens`, as `truncate` cuts them; none where one has nothing supervised left.
std::optional<Dataset> cut_samples(const Dataset& data, std::int64_t tokens);

// "prefetch 0 batch_size 1": what leads from `was` to `now`, both a Settings::json().
std::string settings_between(const std::string& was, const std::string& now);

template <class Options> std::string json_of(Options options) {
    Settings set;
    declare(set, options);
    return set.json();
}

// What a run with other options takes; none: there is no such run.
template <class Options> using NeedWith = std::function<std::optional<MemoryNeed>(const Options&)>;

template <class Options> struct Smaller {
    Options options;
    Advice advice;
};

template <class Options>
Smaller<Options> make_smaller(const Options& options, const std::vector<Shortage>& now, const Room& room,
                              const std::vector<Change<Options>>& changes, const NeedWith<Options>& need) {
    auto with = [&](const std::vector<std::size_t>& chosen) {
        Options changed = options;
        for (std::size_t i : chosen) changes[i](changed);
        return changed;
    };
    Advice advice = advise(changes.size(), missing(now), [&](const auto& chosen) -> std::optional<std::size_t> {
        std::optional<MemoryNeed> planned = need(with(chosen));
        if (!planned) return std::nullopt;
        return missing(shortages(*planned, room));
    });
    return {with(advice.changes), std::move(advice)};
}

// Decides what is left open, so that the run fits where it can: `now` is what it lacks with all of it on the device.
// Says which places are elsewhere, as settings; empty: none.
template <class Options>
std::string settle_places(Options& options, const std::vector<Shortage>& now, const Room& room,
                          const NeedWith<Options>& need) {
    const std::vector<Change<Options>> changes = open_places(options);
    Options on_device = options;
    close_places(on_device);
    if (!now.empty() && !changes.empty())
        if (Smaller<Options> smaller = make_smaller(options, now, room, changes, need); smaller.advice.missing == 0)
            options = std::move(smaller.options);
    close_places(options);
    return settings_between(json_of(on_device), json_of(options));
}

// Throws DoesNotFit.
template <class Options>
[[noreturn]] void refuse(const std::vector<Shortage>& now, const Options& options, const Room& room,
                         const std::vector<Change<Options>>& changes, const NeedWith<Options>& need) {
    const Smaller<Options> smaller = make_smaller(options, now, room, changes, need);
    throw DoesNotFit(
        refusal(now.front(), smaller.advice, settings_between(json_of(options), json_of(smaller.options))));
}

}  // namespace tandem
