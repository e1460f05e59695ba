// Where a model named on the command line is: a folder, a file, an alias, or a hub id in the Hugging Face cache.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "models/llama/config.h"

namespace tandem {

// A model known by name, so that a run can be planned, or run with random weights, without its files.
struct ModelAlias {
    std::string name, hub_id;
    LlamaConfig shape;
};

std::span<const ModelAlias> model_aliases();
const ModelAlias* find_alias(std::string_view name);  // null: not an alias

struct ModelFiles {
    std::filesystem::path folder;   // holds config.json, the tokenizer, …
    std::filesystem::path weights;  // what CheckpointFiles::open takes: the folder, or one file in it
};

// `model` is a folder with config.json, a safetensors file in such a folder, an alias, or a hub id `org/name`. An alias
// is looked up in $TANDEM_MODELS/<alias>, then, as a hub id is, in the Hugging Face cache. Not found: an InputError
// lists the places and the command that downloads it.
ModelFiles find_model(const std::string& model);

}  // namespace tandem
