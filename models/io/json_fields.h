// Fields of a JSON file as the program needs them. Whatever is missing, of another type or out of range is an
// InputError that names the file and the key. JSON null counts as absent, as it does in Hugging Face configurations.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"
#include "runtime/json.h"

namespace tandem {

// The text must be one JSON value in UTF-8; `where` names it in errors.
Json parse_json(std::string_view text, const std::string& where);
Json parse_json_file(const std::filesystem::path& path);

class JsonFields {
  public:
    // The value must outlive this view of it.
    JsonFields(const Json& value, std::string where);

    struct IntegerRange { std::int64_t min, max; };
    static constexpr IntegerRange positive{1, 0x7fffffff};

    // Empty where the key is absent or null.
    std::optional<std::int64_t> integer(std::string_view key, IntegerRange range) const;
    std::optional<double> number(std::string_view key) const;  // finite
    std::optional<double> positive_number(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;
    std::optional<std::string> text(std::string_view key) const;
    std::optional<JsonFields> object(std::string_view key) const;
    // A list, or a single value as a list of one.
    std::optional<std::vector<std::int64_t>> integers(std::string_view key, IntegerRange range) const;
    std::optional<std::vector<std::string>> texts(std::string_view key) const;

    bool present(std::string_view key) const;   // also where it is null
    bool is_set(std::string_view key) const;    // not absent, null, false, or an empty string, list or object
    bool is_list(std::string_view key) const;
    bool is_text(std::string_view key) const;
    const Json::Object& members() const { return value_->object(); }

    template <class T> T required(std::string_view key, std::optional<T> value) const {
        if (!value) fail(key, "is missing");
        return std::move(*value);
    }
    [[noreturn]] void fail(std::string_view key, const std::string& what) const;

  private:
    const Json* find(std::string_view key) const;
    std::int64_t checked(std::string_view key, const Json& value, IntegerRange range) const;
    const Json* value_;
    std::string where_;
};

}  // namespace tandem
