// JSON values (RFC 8259), and events for what is too large or too strict for values. Parsing and number formats are
// nlohmann-json's; its header costs every file that includes it five seconds of compilation, so json.cpp alone does.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

class Json {
  public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;  // in the file's order; of equal names the last one counts
    enum class Kind { null, boolean, integer, real, string, array, object };

    // Copies, moves and ends are compiled once, in json.cpp, and not in every file that has values.
    Json();
    Json(const Json&);
    Json(Json&&) noexcept;
    Json& operator=(const Json&);
    Json& operator=(Json&&) noexcept;
    ~Json();
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    template <std::integral T> Json(T value) : value_(std::int64_t(value)) {}
    Json(double value) : value_(value) {}
    Json(const char* text);
    Json(std::string_view text);
    Json(std::string text);
    Json(Array items);
    Json(Object members);
    template <class T> explicit Json(const std::vector<T>& items) : Json(Array(items.begin(), items.end())) {}

    // What stopped the parser, and behind how many bytes.
    struct Problem {
        std::size_t byte;
        std::string what;
    };
    static constexpr int most_levels = 512;  // of nesting; deeper is a problem
    // The text must be one JSON value in UTF-8. An integer outside int64 becomes a real.
    static std::variant<Json, Problem> parse(std::string_view text);

    Kind kind() const { return Kind(value_.index()); }
    std::string_view kind_name() const;  // "null", "boolean", "number", "string", "array", "object"
    bool is_null() const { return kind() == Kind::null; }
    bool is_string() const { return kind() == Kind::string; }
    bool is_number() const { return kind() == Kind::integer || kind() == Kind::real; }
    bool is_array() const { return kind() == Kind::array; }
    bool is_object() const { return kind() == Kind::object; }

    // An Error where the value is of another kind.
    bool boolean() const;
    std::int64_t integer() const;
    double number() const;  // an integer's too
    const std::string& string() const;
    const Array& array() const;
    const Object& object() const;

    const Json* find(std::string_view name) const;  // null where this is no object or has no such member
    const Json& at(std::string_view name) const;    // an Error where there is none
    Json& operator[](std::string_view name);        // to write; makes the member, and of null an object
    void erase(std::string_view name);
    Json& push_back(Json item);  // of null it makes an array; returns the item in it

    bool operator==(const Json& other) const;  // 1 equals 1.0; the order of members does not count

    // As nlohmann-json writes it; ill-formed UTF-8 becomes U+FFFD. indent < 0: on one line, without spaces.
    std::string text(int indent = -1) const;

  private:
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_ = nullptr;
};

std::string json_text(std::string_view text);  // a string as JSON, in quotes

// What a text holds, in its order. Whatever an event throws ends the reading and passes on.
class JsonEvents {
  public:
    virtual ~JsonEvents() = default;
    virtual void scalar(Json value) = 0;      // null, a boolean, a number or a string
    virtual void name(std::string text) = 0;  // of the member whose value comes next
    virtual void begin(Json::Kind kind) = 0;  // an array or an object
    virtual void end(Json::Kind kind) = 0;
};

// The events up to the text's end or its first problem, as Json::parse sees it.
std::optional<Json::Problem> read_json(std::string_view text, JsonEvents& events);

}  // namespace tandem
