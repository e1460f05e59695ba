// Where numbers go bad: what a graph whose result is not finite is asked for.
#pragma once
#include <span>
#include <string>

#include "models/llama/graph.h"
#include "runtime/collective.h"
#include "runtime/error.h"

namespace tandem {

// The first unit, in the graph's order, whose output holds NaN or infinity; the number of units where only the head's
// can. Runs the batch once more, in a phase of its own. What caches hold from `past` on is written again, `past` stays.
int first_bad_unit(Context& ctx, const Llama& model, LayerStore& store, const HostBatch& batch,
                   KvCaches* caches = nullptr);

// Of all ranks' batches, the same on each.
int first_bad_unit(Context& ctx, const Llama& model, LayerStore& store, Collective& ranks,
                   std::span<const HostBatch> batches);

// A result that would be NaN or infinite; the sentence names the first bad layer.
class NotFinite : public Error {
  public:
    using Error::Error;
};

std::string name_of_output(const Params& params, int unit);  // "layer 3", "the head"

}  // namespace tandem
