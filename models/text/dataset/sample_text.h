// From one JSON object of a data file to a sample.
#pragma once
#include "models/text/dataset/dataset.h"
#include "runtime/json.h"

namespace tandem {

// By the record's content: input_ids, messages, conversations, instruction with output, or text. Throws an InputError
// without file:line, which the caller adds.
Sample make_sample(const Json& record, const TextTools* tools, const DatasetOptions& options);

}  // namespace tandem
