// Rotary position embeddings (Su et al., 2021) with the context extensions of Hugging Face configurations: linear,
// dynamic NTK, YaRN (Peng et al., 2023) and Llama 3.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/llama/config.h"

namespace tandem {

struct RopeFrequencies {
    std::vector<float> inverse;   // [head_dim/2], radians per position; in fp32, as models are trained with them
    double attention_factor = 1;  // scales cos and sin
};

// seq_len is the length of the document at hand; only dynamic NTK depends on it, once it passes max_positions.
RopeFrequencies rope_frequencies(const RopeConfig& rope, int head_dim, std::int64_t max_positions,
                                 std::int64_t seq_len);

// cos and sin are [positions, head_dim/2], computed in double and rounded once.
void rope_table(const RopeFrequencies& frequencies, std::span<const std::int32_t> positions, float* cos, float* sin);

}  // namespace tandem
