// What a fine-tuning works on: opened, and checked against each other. No weight is loaded.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/text/dataset/dataset.h"
#include "models/train/load_weights.h"
#include "tools/session/feed.h"
#include "tools/session/model.h"
#include "tools/session/settings/settings.h"

namespace tandem {

inline constexpr std::int64_t sample_answer_tokens = 64;  // most of an answer to sample_prompt

struct Opened {
    Model model;
    std::optional<Adapter> init_adapter;
    AdapterConfig adapter;  // of what is trained; not with train type full
    Params params;
    Dataset data;
    std::optional<Dataset> eval_data;
    std::vector<std::int32_t> sample_prompt;  // ids; empty: none
    std::vector<std::string> notes;           // what was decided that the user did not ask for, a line each

    WeightSource weights(std::uint64_t seed) const;
};

// Samples of one's own, for the model at hand.
using MakeData = std::function<Dataset(const Model&)>;

// Devices are found, and an initial adapter's rank, alpha, variant and targets become the recipe's. `settings`: over
// `recipe`; tells what was given. `data`: in the place of recipe.dataset. Everything that can be wrong with the
// settings and the input is an InputError here.
Opened open_recipe(Recipe& recipe, const Settings& settings, const MakeData& data = {},
                   Devices devices = Devices::here);

// The table of what is opened, at the recipe's rank.
Params make_recipe_params(const Recipe& recipe, const Opened& opened);

Feed::Options feed_options(const Recipe& recipe);
bool trains_adapter(const Recipe& recipe);

}  // namespace tandem
