// Weights that bitsandbytes has quantized to 4 bits (NF4, FP4, with or without double quantization) in a checkpoint.
#pragma once
#include "models/io/stored_weight.h"

namespace tandem {

// A weight is quantized where it has a quant_state (never by its dtype).
std::optional<StoredWeight> find_bnb_weight(const CheckpointFiles& files, const std::string& weight);
std::string bnb_weight_of(const std::string& tensor);

}  // namespace tandem
