// What the tensors of a checkpoint decide, whatever its config.json claims.
#pragma once
#include <string>
#include <vector>

#include "models/io/checkpoint_files.h"
#include "models/llama/config.h"

namespace tandem {

// Settles whether the head is the embedding: an lm_head of its own is used, a missing one is the embedding; an
// InputError where config.json denies just that. Returns a line for each claim that the tensors contradict, or that
// config.json leaves out.
std::vector<std::string> settle_by_tensors(LlamaConfig& config, const CheckpointFiles& files);

// The text of config.json with what was settled in the place of what it claimed: for weights that are saved dense.
std::string settled_config(const LlamaConfig& config, const std::string& text);

}  // namespace tandem
