// Weights that hqq (0.2.8, safetensors) has quantized in a checkpoint.
#pragma once
#include "models/io/stored_weight.h"

namespace tandem {

// A weight is quantized where its module has a `W_q`. Widths between those of a packing (5 and 6 bits in bytes, 1.58 in
// two bits) are read as that packing's. Quantized scales and zeros are refused.
std::optional<StoredWeight> find_hqq_weight(const CheckpointFiles& files, const std::string& weight);
std::string hqq_weight_of(const std::string& tensor);

}  // namespace tandem
