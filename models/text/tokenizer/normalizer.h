// The normalizers of tokenizer.json: Prepend, Replace, NFC, Sequence.
#pragma once
#include <functional>
#include <vector>

#include "models/text/json_node.h"
#include "models/text/tokenizer/aligned_text.h"

namespace tandem::text {

using Normalizer = std::function<AlignedText(AlignedText)>;  // of a text that is not empty

std::vector<Normalizer> read_normalizers(const JsonNode& node);  // null: none
AlignedText normalize(const std::vector<Normalizer>& steps, AlignedText text);

}  // namespace tandem::text
