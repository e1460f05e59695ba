// What becomes of every key of a record and of a turn: it is used; or it could change the text or which of its tokens
// are trained on, and is refused by name; or it cannot, and is listed as not used. Nothing is passed over in silence.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/json.h"

namespace tandem {

struct KeyTable;
extern const KeyTable id_keys, conversation_keys, instruction_keys, text_keys, turn_keys;

// The keys that are not used; null counts as absent. `read`: those that are used besides the table's own. Throws an
// InputError for a key that is refused or given twice.
std::vector<std::string> unused_keys(const Json& object, const KeyTable& table,
                                     const std::vector<std::string_view>& read);

}  // namespace tandem
