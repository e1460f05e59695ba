// What was trained, gathered from all ranks and written by rank 0, one unit at a time.
#pragma once
#include "models/train/trainer.h"
#include "tools/session/model.h"
#include "tools/session/folder/result_record.h"

namespace tandem {

// The most host memory that a rank takes at once for what follows, or for a checkpoint.
std::size_t saving_bytes(const Params& params, int world_size);

// PEFT's layout; read back and compared before it takes the place of an older one. Collective.
void save_adapter(const Result& result, const AdapterConfig& config, const Params& params, Context& ctx,
                  Collective& ranks, Trainer& trainer);

// A Hugging Face folder: model.safetensors in the checkpoint's own type, config.json and the tokenizer's files.
// Collective.
void save_model(const Result& result, const Model& model, const Params& params, Context& ctx, Collective& ranks,
                Trainer& trainer);

// Of the weights' file, which is nearly all of it.
std::uint64_t saved_adapter_bytes(const AdapterConfig& config, const Params& params);
std::uint64_t saved_model_bytes(const Model& model, const Params& params);

// Whether a file of this name is part of an adapter or a model as they are saved here, finished or not.
bool is_result_file(const std::filesystem::path& file);

}  // namespace tandem
