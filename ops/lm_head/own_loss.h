// A loss of one's own in the place of cross-entropy. It is computed on the host, for the supervised rows of one chunk
// at a time; on a card their logits are brought there and the gradient is brought back.
#pragma once
#include <cstdint>
#include <functional>
#include <span>

namespace tandem {

struct LossRows {
    std::int64_t vocab;
    double scale;                           // of the loss: 1 / supervised tokens of the step
    std::span<const float> logits;          // [rows, vocab]
    std::span<const std::int32_t> targets;  // [rows]: the token that each row is to predict
    // To be written:
    std::span<double> losses;   // [rows]; the loss is scale * the sum of them
    std::span<float> dlogits;   // [rows, vocab]: the gradient of scale * the sum of losses
};

// Called by every rank in its own thread, several at once. What it throws ends all ranks.
using RowLoss = std::function<void(const LossRows&)>;

// The built-in loss: softmax cross-entropy, with the bits that it has on the CPU.
void cross_entropy(const LossRows& rows);

}  // namespace tandem
