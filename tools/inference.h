// A model on its ranks without training: what `generate` and `eval` share.
#pragma once
#include <functional>

#include "dist/launch.h"
#include "models/llama/generate.h"
#include "models/train/load_weights.h"
#include "tools/model.h"
#include "tools/smaller.h"

namespace tandem {

struct InferenceRank {
    Rank& rank;
    const Llama& llama;
    LayerStore& store;
};

struct Inference {
    // The most that a rank does, on the plan device, with these options: the command line's, or smaller ones. What it
    // allocates before its first phase, `body` allocates too, in the same order.
    std::function<void(InferenceRank&, const ModelOptions&)> largest;
    std::function<void(InferenceRank&)> body;
    Changes smaller;  // what may be tried where memory is short, mildest first
};

// Plans each rank's memory and says what it is, refuses what does not fit, loads the weights, and runs `what.body` on
// every rank.
void run_inference(const ModelOptions& options, const Model& model, const Adapter* adapter, const Inference& what);

}  // namespace tandem
