// Which devices a command's ranks run on, and whether they have room.
#pragma once
#include "dist/launch.h"
#include "dist/mirror.h"
#include "models/llama/params.h"
#include "tools/options/model_options.h"

namespace tandem {

LaunchOptions launch_options(const ModelOptions& options, const Params& params);

// Null where no rank copies from one.
std::unique_ptr<Mirror> make_mirror(const ModelOptions& options, const Params& params);

// Throws DoesNotFit where a card's ranks need more than it has free, or one more than --gpu-memory.
void check_room(const ModelOptions& options, const std::vector<MemoryPlan>& plans);

// What the last bits of results depend on: the micro-kernel of this CPU, or the card and its libraries.
std::string kernels_of(const Context& ctx);

}  // namespace tandem
