// The decoders of tokenizer.json: ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, Sequence.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "models/text/json_node.h"

namespace tandem::text {

using Decoder = std::function<std::vector<std::string>(std::vector<std::string>)>;

std::vector<Decoder> read_decoders(const JsonNode& node);

}  // namespace tandem::text
