// Values of a data record as samples need them. JSON null counts as absent. An InputError names the key.
#pragma once
#include <optional>
#include <string>

#include "runtime/json.h"

namespace tandem {

const Json* given(const Json& object, std::string_view key);  // null where the key is absent
std::string text_field(const Json& object, std::string_view key);
std::optional<bool> flag(const Json& value);  // of 0, 1, false or true

}  // namespace tandem
