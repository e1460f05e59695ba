// Whether a run goes on from a checkpoint.
#pragma once
#include "tools/train_run.h"

namespace tandem {

enum class Resumption { fresh, resumed, finished };

// Sets run.resume where there is one to go on from. An InputError names the options that differ from the checkpoint's.
Resumption find_resumption(TrainRun& run, const OptionSet& set);

}  // namespace tandem
