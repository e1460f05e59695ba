// tokenizer.json as read: the long lists (vocabulary, merges) apart from the rest.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/json.h"

namespace tandem::text {

// Ids beyond this are taken for a mistake: tables are indexed by id.
inline constexpr std::int32_t largest_id = (1 << 22) - 1;

struct Vocabulary {
    std::vector<std::pair<std::string, std::int32_t>> tokens;   // in file order
    std::vector<std::pair<std::string, std::string>> merges;    // by rank
};

// Fills `rest` with everything but model.vocab and model.merges. An InputError begins with [file].
Vocabulary parse_tokenizer_json(std::string_view bytes, const std::string& file, Json& rest);

}  // namespace tandem::text
