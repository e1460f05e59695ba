// The pre-tokenizers of tokenizer.json: Split, ByteLevel, Digits, Metaspace, Sequence.
#pragma once
#include <functional>
#include <vector>

#include "models/text/json_node.h"
#include "models/text/tokenizer/aligned_text.h"

namespace tandem::text {

using PreTokenizer = std::function<void(PreTokenized&)>;

std::vector<PreTokenizer> read_pre_tokenizers(const JsonNode& node);  // null: none

}  // namespace tandem::text
