// The stores of a rank: what it holds of every unit, and what it fetches for each use.
#pragma once
#include <limits>
#include <memory>

#include "dist/mirror.h"
#include "dist/transport.h"
#include "runtime/collective.h"
#include "runtime/context.h"

namespace tandem {

enum class Strategy {
    ddp,            // frozen weights whole on every rank
    shard_grad_op,  // frozen weights in ranges; a unit gathered for forward stays until its backward
    full_shard      // frozen weights in ranges; gathered for each use
};
// Under each of them masters, gradients and whatever the optimizer keeps are split in ranges: no rank updates twice.

struct StoreOptions {
    Strategy strategy = Strategy::full_shard;
    int prefetch = 1;                              // units gathered ahead of their use; a wait for each gather at 0
    std::vector<std::vector<int>> schedules = {};  // that will be asked for: they size the buffers
    std::size_t arena_cap = std::numeric_limits<std::size_t>::max();  // bytes for gathered units; less prefetches less
    Mirror* mirror = nullptr;  // frozen bytes that a rank lacks come from there instead of from its peers
    bool poison = false;       // fill what was let go with NaN, for tests
};

// All ranks make it together, with the same units and options. The context, transport and collective outlive it; it
// must be destroyed only when the streams of all ranks are drained, for peers read its memory.
std::unique_ptr<LayerStore> make_store(Context& ctx, Transport& transport, Collective& collective,
                                       const std::vector<UnitLayout>& units, const StoreOptions& options);

}  // namespace tandem
