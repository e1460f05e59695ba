#include "models/llama/batch.h"

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

HostBatch HostBatch::zeros(const Sizes& sizes) {
    HostBatch b;
    b.tokens.resize(std::size_t(sizes.tokens));
    b.positions = b.samples = b.tokens;
    b.cu_seqlens.resize(std::size_t(sizes.documents) + 1);
    b.rows.resize(std::size_t(sizes.supervised));
    b.targets = b.rows;
    return b;
}

HostBatch HostBatch::continuation(std::span<const std::int32_t> tokens, std::int64_t past) {
    HostBatch b;
    b.tokens.assign(tokens.begin(), tokens.end());
    for (std::size_t t = 0; t < tokens.size(); t++) b.positions.push_back(std::int32_t(past + std::int64_t(t)));
    b.cu_seqlens.push_back(std::int32_t(tokens.size()));
    return b;
}

namespace {
Tensor upload(Context& ctx, const std::vector<std::int32_t>& values, const char* name) {
    Tensor t = ctx.empty({std::int64_t(values.size())}, DType::i32, name, Category::data);
    ctx.upload(t, std::as_bytes(std::span(values)));
    return t;
}
}  // namespace

Batch upload(Context& ctx, const Rotary& rotary, const HostBatch& host) {
    Batch b;
    b.tokens = upload(ctx, host.tokens, "batch.tokens");
    b.positions = upload(ctx, host.positions, "batch.positions");
    b.samples = upload(ctx, host.samples, "batch.samples");
    b.cu_seqlens = upload(ctx, host.cu_seqlens, "batch.cu_seqlens");
    b.targets.rows = upload(ctx, host.rows, "batch.rows");
    b.targets.targets = upload(ctx, host.targets, "batch.targets");
    b.rotation = rotation_of(ctx, rotary, host.positions, host.cu_seqlens, b.positions);
    return b;
}

}  // namespace tandem
