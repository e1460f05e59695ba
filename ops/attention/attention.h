// Causal attention over packed documents with grouped queries, tiled as FlashAttention-2 (Dao, 2023): no [tokens,
// tokens] matrix; the log-sum-exp of each row is kept for backward.
//   y[t, h] = sum_j softmax_j(q[t, h] . k[j, g] / sqrt(head_dim)) v[j, g],
//   over j <= t in t's document; head h belongs to group g = h / (heads / kv_heads).
// Sums and softmax in f32 (f64 for f64); for bf16 the softmax's numerators, and in backward the gradients of the
// scores, are rounded to bf16 before the second products.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct AttentionShape {
    int heads, kv_heads;  // kv_heads divides heads
    int head_dim;         // 1 to 256
};

// Equal bits for a document alone and packed with others. The CPU refuses cu_seqlens that do not rise from 0 to tokens;
// a card cannot, and leaves rows outside the documents unwritten.
Value attention(Context& ctx, const Value& q,  // [tokens, heads * head_dim]  f64 | f32 | bf16
                const Value& k,                // [tokens, kv_heads * head_dim]
                const Value& v,                // [tokens, kv_heads * head_dim]
                const Tensor& cu_seqlens,      // [documents + 1]  i32: first token of each document, then tokens
                const AttentionShape& shape);

struct KvCache {
    Tensor k, v;  // [capacity, kv_heads * head_dim]
    int past;     // rows filled
};

// Generation: writes k and v of the new tokens of one document into rows past.. of the cache, which backward knows
// nothing of, and attends over all that it then holds. Equal bits to those rows of `attention` over the whole document;
// but within rounding only for a single new token on a card, where its keys are split.
Tensor attention_cached(Context& ctx, const Tensor& q,  // [new, heads * head_dim]
                        const Tensor& k,                // [new, kv_heads * head_dim]
                        const Tensor& v,                // [new, kv_heads * head_dim]
                        const KvCache& cache, const AttentionShape& shape);

}  // namespace tandem
