// Fills the ranks' stores with a model's weights, one tensor at a time: host memory stays near one tensor.
#pragma once
#include <functional>
#include <optional>
#include <span>

#include "models/io/checkpoint_files.h"
#include "models/io/peft.h"
#include "models/llama/params.h"
#include "runtime/context.h"
#include "runtime/layer_store.h"

namespace tandem {

struct WeightSource {
    const CheckpointFiles* files = nullptr;  // null: seeded noise of the exact shapes
    const Adapter* adapter = nullptr;        // null: A drawn from U(-1/sqrt(in), 1/sqrt(in)), B zero
    std::uint64_t seed = 0;
    // Called with the number of elements of every tensor that is loaded, by the thread that loaded it; may be empty.
    std::function<void(std::int64_t)> loaded = {};
};

// Of a whole model: told what share of its elements is loaded, in (0, 1], by the ranks' threads, one at a time. May be
// empty.
using LoadProgress = std::function<void(double share)>;

// Loads every `parts`-th tensor of the table, from number `part` on, into all stores. Run by as many threads as there
// are ranks, each with its own part and context; a barrier must follow. A rank on a card quantizes there, to the bytes
// that a CPU would give, in the memory of its scratch and tiles. Returns a hash of the base tensors it saw, to be
// summed over parts: the identity of the base weights as this run holds them. NaN or infinity in a weight, in the
// scales of one in 4 bits, or in the adapter is an InputError that names the tensor.
std::uint64_t load_weights(const Params& params, const WeightSource& source, std::span<LayerStore* const> stores,
                           int part, int parts, Context& ctx);

// The most host memory that a thread's part takes at once, beside the stores.
std::size_t loading_bytes(const Params& params, const WeightSource& source, int part, int parts);

// Refuses an adapter whose modules are not those that the table has adapters for.
void check_adapter(const Params& params, const Adapter& adapter);

}  // namespace tandem
