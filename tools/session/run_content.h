// What a run works on, by content: what a checkpoint of it holds and a resumed run is compared with.
#pragma once
#include "models/train/checkpoint.h"
#include "tools/session/opened.h"

namespace tandem {

RunContent run_content(const Recipe& recipe, const Opened& opened);

// The shape that the graph computes with, rotary embedding included; weights are hashed where they are loaded.
std::uint64_t shape_hash(const LlamaConfig& config);

// Of the names, sizes and times of change of the model's files: 0 where it has none.
std::uint64_t model_files_hash(const Model& model);

}  // namespace tandem
