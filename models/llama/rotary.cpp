#include "models/llama/rotary.h"

#include <numeric>

#include "models/llama/rope_table.h"

namespace tandem {

namespace {

RopeTable empty_table(Context& ctx, std::int64_t rows, int head_dim, Category category) {
    Tensor cos = ctx.empty({rows, head_dim / 2}, DType::f32, "rope.cos", category);
    Tensor sin = ctx.empty({rows, head_dim / 2}, DType::f32, "rope.sin", category);
    return {std::move(cos), std::move(sin)};
}

void fill(Context& ctx, const RopeTable& table, std::span<const float> cos, std::span<const float> sin) {
    ctx.upload(table.cos, std::as_bytes(cos));
    ctx.upload(table.sin, std::as_bytes(sin));
}

}  // namespace

Rotary make_rotary(Context& ctx, const LlamaConfig& c, std::int64_t positions) {
    Rotary rotary{c.rope, c.head_dim, c.max_positions, {}};
    if (c.rope.type == RopeType::dynamic) return rotary;
    rotary.table = empty_table(ctx, positions, c.head_dim, Category::workspace);
    std::vector<std::int32_t> all(static_cast<std::size_t>(positions));
    std::iota(all.begin(), all.end(), 0);
    std::vector<float> cos(std::size_t(rotary.table.cos.elements())), sin(cos.size());
    if (!ctx.is_plan())
        rope_table(rope_frequencies(c.rope, c.head_dim, c.max_positions, positions), all, cos.data(), sin.data());
    fill(ctx, rotary.table, cos, sin);
    return rotary;
}

TokenRotation rotation_of(Context& ctx, const Rotary& rotary, std::span<const std::int32_t> host_positions,
                          std::span<const std::int32_t> cu_seqlens, const Tensor& positions) {
    if (rotary.config.type != RopeType::dynamic) return {rotary.table, positions};
    const std::int64_t tokens = std::int64_t(host_positions.size());
    RopeTable table = empty_table(ctx, tokens, rotary.head_dim, Category::data);
    Tensor rows = ctx.empty({tokens}, DType::i32, "rope.rows", Category::data);
    const std::size_t half = std::size_t(rotary.head_dim / 2);
    std::vector<float> cos(std::size_t(table.cos.elements())), sin(cos.size());
    for (std::size_t d = 0; d + 1 < cu_seqlens.size(); d++) {
        const std::size_t begin = std::size_t(cu_seqlens[d]), end = std::size_t(cu_seqlens[d + 1]);
        if (begin == end) continue;
        const RopeFrequencies frequencies = rope_frequencies(rotary.config, rotary.head_dim, rotary.max_positions,
                                                             std::int64_t(host_positions[end - 1]) + 1);
        rope_table(frequencies, host_positions.subspan(begin, end - begin), cos.data() + begin * half,
                   sin.data() + begin * half);
    }
    fill(ctx, table, cos, sin);
    std::vector<std::int32_t> own(static_cast<std::size_t>(tokens));
    std::iota(own.begin(), own.end(), 0);
    ctx.upload(rows, std::as_bytes(std::span(own)));
    return {std::move(table), std::move(rows)};
}

}  // namespace tandem
