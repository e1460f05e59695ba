// A model on its ranks without training: what `generate` and `eval` share.
#pragma once
#include <functional>

#include "dist/launch.h"
#include "models/llama/generate.h"
#include "models/train/load_weights.h"
#include "tools/model.h"

namespace tandem {

struct InferenceRank {
    Rank& rank;
    const Llama& llama;
    LayerStore& store;
};


// Plans each rank's memory by running `largest` on the plan device, loads the weights, and runs `body` on every rank.
// What `largest` allocates before its first phase, `body` allocates too, in the same order.
void run_inference(const ModelOptions& options, const Model& model, const Adapter* adapter,
                   const std::function<void(InferenceRank&)>& largest, const std::function<void(InferenceRank&)>& body);

}  // namespace tandem
