// What commands open and say of it before they compute.
#pragma once
#include <filesystem>
#include <optional>

#include "tools/session/loaded_model.h"

namespace tandem {

// What of its keys is not used, where there is something.
void say_unused_keys(const Dataset& data);

// Says what it has nothing for.
std::optional<Adapter> open_adapter(const std::optional<std::filesystem::path>& folder);

// Says every ten seconds how much of the weights is loaded.
LoadProgress loading_lines();

// Says what was decided about the model and what memory it takes, refuses what does not fit, and loads it.
void load_model(LoadedModel& loaded, const ModelRecipe& recipe, const Model& model, const Changes& smaller);

}  // namespace tandem
