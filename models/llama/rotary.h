// The rotation of a batch's tokens: by one table of all positions or, with dynamic NTK, by angles of each document's
// own.
#pragma once
#include <span>

#include "models/llama/config.h"
#include "ops/rope/rope.h"

namespace tandem {

struct Rotary {
    RopeConfig config;
    int head_dim = 0;
    std::int64_t max_positions = 0;
    RopeTable table;  // of positions 0, 1, … of the run; empty with dynamic NTK
};

// The table, for documents of up to `positions` tokens, is made and filled here.
Rotary make_rotary(Context& ctx, const LlamaConfig& config, std::int64_t positions);

// Which row of a table turns each token.
struct TokenRotation {
    RopeTable table;
    Tensor rows;  // i32 [tokens]
};

// Dynamic NTK stretches the base by the length of the document at hand where that passes max_positions, whatever row,
// batch or context the document lies in: what transformers computes at batch 1 with a fresh model. A document that
// goes on (generation) is as long as it is with its last token here.
TokenRotation rotation_of(Context& ctx, const Rotary& rotary,
                          std::span<const std::int32_t> host_positions,  // [tokens]
                          std::span<const std::int32_t> cu_seqlens,      // [documents + 1]
                          const Tensor& positions);                      // as host_positions, i32 [tokens]

}  // namespace tandem
