// Whether a training run has room.
#pragma once
#include "tools/train_run.h"

namespace tandem {

// Plans every rank's memory (run.memory) and what lies beside it.
MemoryNeed plan_training(TrainRun& run, const LaunchOptions& launch);

// Throws DoesNotFit, with a change that fits where one is found. Then `run` is of no further use.
void check_room(TrainRun& run, const MemoryNeed& need, const Room& room);

}  // namespace tandem
