// A micro-batch of one rank: samples one after the other, without padding.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/llama/rotary.h"
#include "ops/lm_head/lm_head.h"
#include "runtime/context.h"

namespace tandem {

// On the host. A document is a sample, or one of several that are packed in a row: none sees another.
struct HostBatch {
    std::vector<std::int32_t> tokens, positions, samples;  // samples: each token's global sample index
    std::vector<std::int32_t> cu_seqlens{0};
    std::vector<std::int32_t> rows, targets;  // of the supervised tokens: the row that predicts, and what

    // As large as a batch can be, of zeros; for planning.
    struct Sizes {
        std::int64_t tokens, documents, supervised;
    };
    static HostBatch zeros(const Sizes& sizes);
    // Tokens that follow `past` others of one document; nothing is supervised.
    static HostBatch continuation(std::span<const std::int32_t> tokens, std::int64_t past);

    // Labels as in the data: label t is supervised where it is >= 0 and t > 0, and row t - 1 predicts it.
    void add(std::int32_t sample, std::span<const std::int32_t> ids, std::span<const std::int32_t> labels);
};

struct Batch {
    Tensor tokens, positions, samples;  // i32 [tokens]
    Tensor cu_seqlens;                  // i32 [documents + 1]
    LossTargets targets;
    TokenRotation rotation;
};

// In the rank's memory; inside a phase.
Batch upload(Context& ctx, const Rotary& rotary, const HostBatch& host);

}  // namespace tandem
