#include "models/llama/batch.h"

#include <algorithm>

namespace tandem {

void HostBatch::add(std::int32_t sample, std::span<const std::int32_t> ids, std::span<const std::int32_t> labels) {
    std::int32_t begin = std::int32_t(tokens.size());
    for (std::size_t t = 0; t < ids.size(); t++) {
        tokens.push_back(ids[t]);
        positions.push_back(std::int32_t(t));
        samples.push_back(sample);
        if (t == 0 || labels[t] < 0) continue;
        rows.push_back(begin + std::int32_t(t) - 1);
        targets.push_back(labels[t]);
    }
    cu_seqlens.push_back(std::int32_t(tokens.size()));
}

namespace {
Tensor upload(Context& ctx, const std::vector<std::int32_t>& values, const char* name) {
    Tensor t = ctx.empty({std::int64_t(values.size())}, DType::i32, name, Category::data);
    ctx.upload(t, std::as_bytes(std::span(values)));
    return t;
}
}  // namespace

Batch upload(Context& ctx, const HostBatch& host) {
    Batch b;
    b.tokens = upload(ctx, host.tokens, "batch.tokens");
    b.positions = upload(ctx, host.positions, "batch.positions");
    b.samples = upload(ctx, host.samples, "batch.samples");
    b.cu_seqlens = upload(ctx, host.cu_seqlens, "batch.cu_seqlens");
    b.targets.rows = upload(ctx, host.rows, "batch.rows");
    b.targets.targets = upload(ctx, host.targets, "batch.targets");
    for (std::size_t i = 1; i < host.cu_seqlens.size(); i++)
        b.longest = std::max<std::int64_t>(b.longest, host.cu_seqlens[i] - host.cu_seqlens[i - 1]);
    return b;
}

}  // namespace tandem
