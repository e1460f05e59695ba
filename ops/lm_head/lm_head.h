// The LM head, where only it is needed.
#pragma once
#include "ops/linear/linear.h"
#include "ops/lm_head/own_loss.h"

namespace tandem {

// Logits of the given hidden states, f32 (f64 in f64 graphs). For sampling and tests.
Tensor lm_head(Context& ctx, const Tensor& h,  // [rows, hidden], after the final norm
               const Weight& weight);          // [vocab, hidden]; -> [rows, vocab]

// Softmax cross-entropy over the supervised rows of h, `rows_per_chunk` at a time: [tokens, vocab] never exists.
// Returns scale * sum over rows of -log softmax(h W^T)[target], f64 [1]; on the CPU it and the gradient of h have the
// same bits whatever the chunk, on CUDA within rounding, as cuBLASLt's choices follow the shape.
// A row or target that is not there: the CPU throws; on CUDA, where a kernel cannot, the loss is NaN.
// While recording it also adds the gradient of that to h and to the weight at once: it is the last op of a graph.
// Logits in f32 (f64 for f64); their gradient is rounded to h's type before the products with W and h.
// With a loss of one's own (f32 and bf16 graphs) that is computed instead, each row's in the place of -log softmax.
struct LossTargets {
    Tensor rows;     // i32 [supervised], ascending rows of h
    Tensor targets;  // i32 [supervised], each row's right token
};
struct LossOptions {
    double scale = 1;
    std::int64_t rows_per_chunk = 32;
    RowLoss own = {};  // none: cross-entropy
};
Tensor lm_head_loss(Context& ctx, const Value& h,  // [tokens, hidden]  f64 | f32 | bf16
                    const Weight& weight,          // [vocab, hidden], dense
                    const LossTargets& targets, const LossOptions& options);

// A chunk whose f32 logits take about 96 MB, at least 32 rows: the head is packed once a chunk, so small ones are slow.
std::int64_t default_rows_per_chunk(std::int64_t vocab);

}  // namespace tandem
