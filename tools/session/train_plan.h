// What a fine-tuning takes, found by running one step of everything on the plan device.
#pragma once
#include "dist/launch.h"
#include "tools/session/rank_trainer.h"
#include "tools/session/room/room.h"

namespace tandem {

struct TrainPlan {
    MemoryNeed memory;
    RecomputePlan recompute;
    std::vector<std::uint64_t> checkpoint_bytes;  // by rank
};

LaunchOptions launch_options(const Recipe& recipe, const Params& params);
TrainPlan plan_training(const RankSetup& setup);

// Settles the places that the recipe, which is the setup's, leaves open: the first that fit. `need`: with all of them
// on the device. Says which are not, as settings; empty: none.
std::string settle_places(Recipe& recipe, const RankSetup& setup, const MemoryNeed& need, const Room& room);

// Throws DoesNotFit, with a change that fits where one is found. A run that goes on from a checkpoint may change only
// what changes no bits.
enum class Begin { fresh, resumed };
void require_room(const RankSetup& setup, const MemoryNeed& need, const Room& room, Begin begin);

}  // namespace tandem
