// The door: a fine-tuning, a model without training, and their settings. Whoever writes ops includes <tandem/ops/…>
// and <tandem/dist/…> besides.
#pragma once
#include "tools/session/fine_tune.h"
#include "tools/session/loaded_model.h"
#include "tools/session/run.h"
