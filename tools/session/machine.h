// Which devices a recipe's ranks run on, and what memory they need and have.
#pragma once
#include "dist/frozen/frozen_source.h"
#include "dist/launch.h"
#include "models/train/load_weights.h"
#include "tools/session/recipe.h"
#include "tools/session/room/room.h"

namespace tandem {

LaunchOptions launch_options(const ModelRecipe& recipe, const Params& params);

// A CPU rank's device is the host: a mirror there is all that there is.
FrozenFrom frozen_from(const ModelRecipe& recipe);
// Null where none lie on the host.
std::unique_ptr<HostWeights> make_host_weights(const ModelRecipe& recipe, const Params& params);

// What there is for the ranks: as the recipe says, else as it is measured now.
Room room_of(const ModelRecipe& recipe);

// What ranks with these plans take that load from `source` and save nothing.
MemoryNeed memory_need(const ModelRecipe& recipe, const LaunchOptions& launch, std::vector<RankPlan> plans,
                       const Params& params, const WeightSource& source);

// What the last bits of results depend on: the micro-kernel of this CPU, or the card and its libraries.
std::string kernels_of(const Context& ctx);

}  // namespace tandem
