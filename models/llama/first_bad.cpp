#include "models/llama/first_bad.h"

#include <algorithm>

#include "ops/all_finite/all_finite.h"

namespace tandem {

int first_bad_unit(Context& ctx, const Llama& model, LayerStore& store, const HostBatch& host, KvCaches* caches) {
    RankPhase phase(ctx.device(), "diagnose");
    int bad = int(model.params.units.size());
    std::vector<int> schedule = forward_schedule(model.params);
    store.schedule(schedule);
    Tensor finite = ctx.empty({1}, DType::f64, "finite");
    Batch batch = upload(ctx, model.rotary, host);
    std::int64_t past = caches ? caches->past : 0;
    hidden_states(ctx, model, store, batch, caches, [&](int unit, const Tensor& h) {
        double yes = 0;
        all_finite(ctx, h, finite);
        ctx.download(std::as_writable_bytes(std::span(&yes, 1)), finite);
        if (yes == 0) bad = std::min(bad, unit);
    });
    if (caches) caches->past = past;
    return bad;
}

int first_bad_unit(Context& ctx, const Llama& model, LayerStore& store, Collective& ranks,
                   std::span<const HostBatch> batches) {
    std::int32_t bad = std::int32_t(model.params.units.size());
    for (const HostBatch& batch : batches) bad = std::min(bad, first_bad_unit(ctx, model, store, batch));
    std::vector<std::int32_t> all(std::size_t(ranks.world_size()));
    ranks.all_gather(std::as_bytes(std::span(&bad, 1)), std::as_writable_bytes(std::span(all)));
    return *std::ranges::min_element(all);
}

std::string name_of_output(const Params& params, int unit) {
    return std::size_t(unit) < params.units.size() ? params.units[std::size_t(unit)].name : "the head";
}

}  // namespace tandem
