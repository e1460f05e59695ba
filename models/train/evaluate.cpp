#include "models/train/evaluate.h"

namespace tandem {

double mean_loss(Context& ctx, const Llama& model, LayerStore& store, Collective& ranks,
                 const std::vector<HostBatch>& batches, std::int64_t supervised) {
    std::vector<int> schedule = forward_schedule(model.params);
    double sum = 0;
    for (const HostBatch& host : batches) {
        RankPhase phase(ctx.device(), "evaluate");
        store.schedule(schedule);
        double loss = 0;
        Batch batch = upload(ctx, model.rotary, host);
        ctx.download(std::as_writable_bytes(std::span(&loss, 1)), evaluate(ctx, model, store, batch, 1.0));
        sum += loss;
    }
    ranks.sum(std::span(&sum, 1));
    return sum / double(supervised);
}

}  // namespace tandem
