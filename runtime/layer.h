// The one place that leases weights for the graph: once in forward, and once around recomputation and backward.
#pragma once
#include <functional>

#include "runtime/host_inputs.h"

namespace tandem {

enum class Recompute { none, block };  // what is kept of a block for backward: everything, or its input

struct Keep {
    Recompute recompute = Recompute::block;
    std::shared_ptr<HostInputs> inputs = {};  // where inputs of recomputed blocks wait; null: where they are
};

// Runs `body` on `input` (empty for the embedding) under the unit's lease. `body` is run a second time in backward when
// the block is recomputed; it must only depend on what it captures by value.
Value layer(Context& ctx, LayerStore& store, int unit, const Value& input, const Keep& keep,
            std::function<Value(Context&, const Value&)> body);

}  // namespace tandem
