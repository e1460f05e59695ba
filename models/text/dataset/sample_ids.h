// Samples that are tokenized already: input_ids, with labels and masks of their tokens.
#pragma once
#include "models/text/dataset/dataset.h"
#include "runtime/json.h"

namespace tandem {

// Padding (attention_mask 0 at either end) is cut away, and what any other mask has 0 for is not supervised. Throws an
// InputError without file:line.
Sample sample_of_ids(const Json& record, std::int64_t vocab);

}  // namespace tandem
