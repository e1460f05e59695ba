// The post-processors of tokenizer.json for one sequence: TemplateProcessing, ByteLevel (offsets only), Sequence.
#pragma once
#include <cstdint>
#include <vector>

#include "models/text/json_node.h"

namespace tandem::text {

struct Frame {
    std::vector<std::int32_t> before, after;  // the ids put around a text
};

Frame read_post_processor(const JsonNode& node, std::int32_t vocabulary_size);  // null: an empty frame

}  // namespace tandem::text
