// From one JSON object of a data file to a sample.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "models/text/dataset/dataset.h"

namespace tandem {

// By the object's content: input_ids, messages, conversations, instruction with output, or text. Throws an InputError
// without file:line, which the caller adds.
Sample make_sample(const nlohmann::json& object, const TextTools* tools, const DatasetOptions& options);

}  // namespace tandem
