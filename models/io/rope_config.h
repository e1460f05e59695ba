// The rotary embedding's part of config.json.
#pragma once
#include <cstdint>

#include "models/llama/config.h"

namespace tandem {

class JsonFields;

// From `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before). `config` is the whole
// config.json.
RopeConfig read_rope_config(const JsonFields& config, int head_dim, std::int64_t max_positions);

}  // namespace tandem
