// The loss of data that is not trained on.
#pragma once
#include <vector>

#include "models/llama/graph.h"
#include "runtime/collective.h"

namespace tandem {

// Per supervised token over all ranks, the same on each.
double mean_loss(Context& ctx, const Llama& model, LayerStore& store, Collective& ranks,
                 const std::vector<HostBatch>& batches,  // this rank's; every rank has as many
                 std::int64_t supervised);               // tokens of all ranks together

}  // namespace tandem
