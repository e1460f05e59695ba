// Whether a checkpoint is the model that its config.json describes, found out before anything is loaded.
#pragma once
#include "models/io/checkpoint_files.h"
#include "models/llama/params.h"

namespace tandem {

// Refuses a checkpoint that lacks a tensor of the table, has one of another shape, or holds one that the table does not
// use: the model computed would be another. Passed over are only rotary_emb.inv_freq, which the configuration gives
// anew, and a copy of the embedding under the head's name. The error says what would use the tensor, if anything.
void check_weights(const LlamaConfig& config, const Params& params, const CheckpointFiles& files);

}  // namespace tandem
