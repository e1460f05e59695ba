#include "models/text/dataset/record_fields.h"

#include <fmt/core.h>

#include "runtime/error.h"

namespace tandem {

const Json* given(const Json& object, std::string_view key) {
    const Json* value = object.find(key);
    return value && !value->is_null() ? value : nullptr;
}

std::string text_field(const Json& object, std::string_view key) {
    const Json* field = object.find(key);
    if (!field) throw InputError(fmt::format("expected {}, which is missing", key));
    if (!field->is_string()) throw InputError(fmt::format("expected {} to be text, got {}", key, field->kind_name()));
    return field->string();
}

std::optional<bool> flag(const Json& value) {
    for (bool b : {false, true})
        if (value == Json(b) || value == Json(int(b))) return b;
    return std::nullopt;
}

}  // namespace tandem
