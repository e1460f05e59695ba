// A value inside a JSON file that knows where it stands, so that every complaint names file and path.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/json.h"

namespace tandem {

class JsonNode {
  public:
    JsonNode(const Json& value, const std::string& file, std::string path)  // both outlive the node
        : value_(&value), file_(&file), path_(std::move(path)) {}

    JsonNode at(std::string_view key) const;                   // a member that must be there
    std::optional<JsonNode> find(std::string_view key) const;  // nothing where it is absent or null
    std::vector<JsonNode> items() const;                       // of an array
    std::vector<std::pair<std::string, JsonNode>> members() const;

    bool is_null() const;
    bool is_string() const;
    std::string string() const;
    bool boolean() const;
    bool boolean(std::string_view key, bool otherwise) const;
    std::int64_t integer(std::int64_t low, std::int64_t high) const;  // both included
    double number() const;

    // Throws the InputError `[file] at path: what`.
    [[noreturn]] void fail(const std::string& what) const;
    std::string text() const;  // the value as JSON, shortened

  private:
    const Json* value_;
    const std::string* file_;
    std::string path_;
};

}  // namespace tandem
