// Which devices a command's ranks run on, and what memory they need and have.
#pragma once
#include "dist/launch.h"
#include "dist/mirror.h"
#include "models/train/load_weights.h"
#include "tools/options/model_options.h"
#include "tools/room.h"

namespace tandem {

LaunchOptions launch_options(const ModelOptions& options, const Params& params);

// Null where no rank copies from one.
std::unique_ptr<Mirror> make_mirror(const ModelOptions& options, const Params& params);

// What there is for the ranks: as the options say, else as it is measured now.
Room room_of(const ModelOptions& options);

// What ranks with these plans take that load from `source` and save nothing.
MemoryNeed memory_need(const ModelOptions& options, const LaunchOptions& launch, std::vector<MemoryPlan> plans,
                       const Params& params, const WeightSource& source);

// What the last bits of results depend on: the micro-kernel of this CPU, or the card and its libraries.
std::string kernels_of(const Context& ctx);

}  // namespace tandem
