// What was trained, gathered from all ranks and written by rank 0, one unit at a time.
#pragma once
#include "models/train/trainer.h"
#include "tools/model.h"

namespace tandem {

// PEFT's layout; read back and compared before this returns. Collective.
void save_adapter(const std::filesystem::path& folder, const AdapterConfig& config, const Params& params, Context& ctx,
                  Collective& ranks, Trainer& trainer);

// A Hugging Face folder: model.safetensors in the checkpoint's own type, config.json and the tokenizer's files.
// Collective.
void save_model(const std::filesystem::path& folder, const Model& model, const Params& params, Context& ctx,
                Collective& ranks, Trainer& trainer);

}  // namespace tandem
