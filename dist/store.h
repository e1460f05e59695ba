// The stores of a rank: what it holds of every unit, and what it fetches for each use.
#pragma once
#include <limits>
#include <memory>

#include "dist/frozen/frozen_source.h"
#include "runtime/collective.h"
#include "runtime/context.h"

namespace tandem {

enum class Strategy {
    ddp,            // frozen weights whole on every rank's device
    shard_grad_op,  // a unit gathered for forward stays until its backward
    full_shard      // gathered for each use
};
// Under each of them masters, gradients and whatever the optimizer keeps are split in ranges: no rank updates twice.

struct StoreOptions {
    Strategy strategy = Strategy::full_shard;
    int prefetch = 1;                              // units gathered ahead of their use; a wait for each gather at 0
    std::vector<std::vector<int>> schedules = {};  // that will be asked for: they size the buffers
    std::size_t arena_cap = std::numeric_limits<std::size_t>::max();  // bytes for gathered units; less prefetches less
    FrozenFrom frozen = FrozenFrom::device;  // not with ddp: device alone
    HostWeights* host = nullptr;             // for what lies there; null on the plan device
    bool poison = false;                     // fill what was let go with NaN, for tests
};

// All ranks make it together, with the same units and options. The context, transport and collective outlive it; it
// must be destroyed only when the streams of all ranks are drained, for peers read its memory.
std::unique_ptr<LayerStore> make_store(Context& ctx, Transport& transport, Collective& collective,
                                       const std::vector<UnitLayout>& units, const StoreOptions& options);

}  // namespace tandem
