// {"Regex": …} or {"String": …}, and single characters, as tokenizer.json writes them.
#pragma once
#include <string>

#include "models/text/json_node.h"
#include "models/text/tokenizer/pattern.h"

namespace tandem::text {

Pattern read_pattern(const JsonNode& node);
std::string read_character(const JsonNode& node);  // one character, UTF-8

}  // namespace tandem::text
