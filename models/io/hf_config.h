// config.json of a Hugging Face checkpoint, as old and new transformers write it.
#pragma once
#include <filesystem>

#include "models/llama/config.h"

namespace tandem {

// Reads config.json in the folder, and generation_config.json beside it where there is one (its end-of-text tokens
// win). An InputError names the file and the key that is missing, wrong or not supported.
LlamaConfig read_hf_config(const std::filesystem::path& folder);

}  // namespace tandem
