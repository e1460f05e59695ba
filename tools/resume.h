// Whether a run goes on from a checkpoint.
#pragma once
#include "tools/train_run.h"

namespace tandem {

// Sets run.resumption, and run.resume where there is a checkpoint to go on from. An InputError names the options and
// contents that differ from the checkpoint's. Changes nothing on disk.
void find_resumption(TrainRun& run, const OptionSet& set);

}  // namespace tandem
