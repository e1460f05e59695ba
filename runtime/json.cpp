#include "runtime/json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {

namespace {

// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error …; last read: '…'"
std::string without_code(std::string_view what) {
    what.remove_prefix(std::min(what.size(), what.find("] ") + 2));
    return excerpt(what, 240);  // it quotes the text
}

// The parser's events, passed on.
class Parser {
  public:
    explicit Parser(JsonEvents& events) : events_(events) {}

    bool null() { return scalar(Json()); }
    bool boolean(bool v) { return scalar(v); }
    // Of negative numbers; -0 is no integer, as its sign would be lost.
    bool number_integer(std::int64_t v) { return v == 0 ? scalar(-0.0) : scalar(v); }
    bool number_unsigned(std::uint64_t v) {
        if (v > std::uint64_t(std::numeric_limits<std::int64_t>::max())) return scalar(double(v));
        return scalar(std::int64_t(v));
    }
    bool number_float(double v, const std::string&) { return scalar(v); }
    bool string(std::string& v) { return scalar(std::move(v)); }
    bool binary(nlohmann::json::binary_t&) { return false; }  // not in text
    bool key(std::string& k) {
        events_.name(std::move(k));
        return true;
    }
    bool start_object(std::size_t) { return begin(Json::Kind::object); }
    bool start_array(std::size_t) { return begin(Json::Kind::array); }
    bool end_object() { return end(Json::Kind::object); }
    bool end_array() { return end(Json::Kind::array); }
    bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception& e) {
        problem = Json::Problem{byte, without_code(e.what())};
        return false;
    }

    std::optional<Json::Problem> problem;

  private:
    bool scalar(Json v) {
        events_.scalar(std::move(v));
        return true;
    }
    bool begin(Json::Kind kind) {
        if (levels_++ == Json::most_levels) {
            problem = Json::Problem{0, fmt::format("it is nested deeper than {} levels", Json::most_levels)};
            return false;
        }
        events_.begin(kind);
        return true;
    }
    bool end(Json::Kind kind) {
        levels_--;
        events_.end(kind);
        return true;
    }
    JsonEvents& events_;
    int levels_ = 0;
};

class Builder final : public JsonEvents {
  public:
    void scalar(Json v) override { put(std::move(v)); }
    void name(std::string text) override { open_.back().name = std::move(text); }
    void begin(Json::Kind kind) override { open_.push_back({kind}); }
    void end(Json::Kind) override {
        Open done = std::move(open_.back());
        open_.pop_back();
        put(done.kind == Json::Kind::array ? Json(std::move(done.items)) : Json(std::move(done.members)));
    }

    Json root;

  private:
    struct Open {  // an array or object that has begun and not ended
        Json::Kind kind;
        Json::Array items{};
        Json::Object members{};
        std::string name{};  // of the member at hand
    };

    void put(Json v) {
        if (open_.empty()) {
            root = std::move(v);
        } else if (Open& o = open_.back(); o.kind == Json::Kind::array) {
            o.items.push_back(std::move(v));
        } else {
            o.members.emplace_back(std::move(o.name), std::move(v));
        }
    }
    std::vector<Open> open_;  // the innermost last
};

std::string real_text(double v) {
    if (!std::isfinite(v)) return "null";
    char buffer[64];
    char* end = nlohmann::detail::to_chars(buffer, buffer + sizeof buffer, v);
    return {buffer, end};
}

class Writer {
  public:
    explicit Writer(int indent) : indent_(indent) {}

    void write(const Json& v, int level) {
        switch (v.kind()) {
            case Json::Kind::null: out += "null"; break;
            case Json::Kind::boolean: out += v.boolean() ? "true" : "false"; break;
            case Json::Kind::integer: out += std::to_string(v.integer()); break;
            case Json::Kind::real: out += real_text(v.number()); break;
            case Json::Kind::string: out += json_text(v.string()); break;
            case Json::Kind::array: list(v.array(), '[', ']', level, [&](const Json& item) { write(item, level + 1); });
                break;
            case Json::Kind::object:
                list(v.object(), '{', '}', level, [&](const Json::Member& m) {
                    out += json_text(m.first) + (indent_ < 0 ? ":" : ": ");
                    write(m.second, level + 1);
                });
        }
    }
    std::string out;

  private:
    template <class Items, class Write>
    void list(const Items& items, char open, char close, int level, const Write& write_item) {
        out += open;
        bool first = true;
        for (const auto& item : items) {
            if (!first) out += ',';
            first = false;
            line(level + 1);
            write_item(item);
        }
        if (!first) line(level);
        out += close;
    }
    void line(int level) {
        if (indent_ >= 0) out += '\n' + std::string(std::size_t(indent_ * level), ' ');
    }
    int indent_;
};

}  // namespace

Json::Json() = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;
Json::Json(const char* text) : value_(std::string(text)) {}
Json::Json(std::string_view text) : value_(std::string(text)) {}
Json::Json(std::string text) : value_(std::move(text)) {}
Json::Json(Array items) : value_(std::move(items)) {}
Json::Json(Object members) : value_(std::move(members)) {}

std::optional<Json::Problem> read_json(std::string_view text, JsonEvents& events) {
    // The parser would take a NUL byte for the end of the text.
    if (std::size_t at = text.find('\0'); at != text.npos) return Json::Problem{at + 1, "a NUL byte"};
    Parser parser(events);
    nlohmann::json::sax_parse(text.begin(), text.end(), &parser);
    return std::move(parser.problem);
}

std::variant<Json, Json::Problem> Json::parse(std::string_view text) {
    Builder builder;
    if (std::optional<Problem> problem = read_json(text, builder)) return std::move(*problem);
    return std::move(builder.root);
}

std::string_view Json::kind_name() const {
    constexpr std::string_view names[] = {"null", "boolean", "number", "number", "string", "array", "object"};
    return names[value_.index()];
}

namespace {

template <class T, class Value> const T& get(const Value& value, const Json& json, std::string_view wanted) {
    if (const T* v = std::get_if<T>(&value)) return *v;
    throw Error(fmt::format("[json] expected {}, got {}", wanted, json.kind_name()));
}

}  // namespace

bool Json::boolean() const { return get<bool>(value_, *this, "a boolean"); }
std::int64_t Json::integer() const { return get<std::int64_t>(value_, *this, "an integer"); }
double Json::number() const {
    if (const std::int64_t* v = std::get_if<std::int64_t>(&value_)) return double(*v);
    return get<double>(value_, *this, "a number");
}
const std::string& Json::string() const { return get<std::string>(value_, *this, "a string"); }
const Json::Array& Json::array() const { return get<Array>(value_, *this, "an array"); }
const Json::Object& Json::object() const { return get<Object>(value_, *this, "an object"); }

const Json* Json::find(std::string_view name) const {
    const Object* members = std::get_if<Object>(&value_);
    if (!members) return nullptr;
    auto at = std::find_if(members->rbegin(), members->rend(), [&](const Member& m) { return m.first == name; });
    return at == members->rend() ? nullptr : &at->second;
}

const Json& Json::at(std::string_view name) const {
    if (const Json* value = find(name)) return *value;
    throw Error(fmt::format("[json] expected a member \"{}\", found none", name));
}

Json& Json::operator[](std::string_view name) {
    if (is_null()) value_ = Object();
    if (const Json* value = find(name)) return const_cast<Json&>(*value);
    Object& members = const_cast<Object&>(object());
    return members.emplace_back(std::string(name), Json()).second;
}

void Json::erase(std::string_view name) {
    std::erase_if(const_cast<Object&>(object()), [&](const Member& m) { return m.first == name; });
}

Json& Json::push_back(Json item) {
    if (is_null()) value_ = Array();
    return const_cast<Array&>(array()).emplace_back(std::move(item));
}

bool Json::operator==(const Json& other) const {
    if (is_number() && other.is_number() && kind() != other.kind()) return number() == other.number();
    if (!is_object() || !other.is_object()) return value_ == other.value_;
    return object().size() == other.object().size() && std::ranges::all_of(object(), [&](const Member& m) {
               const Json* there = other.find(m.first);
               return there && *there == m.second;
           });
}

std::string Json::text(int indent) const {
    Writer writer(indent);
    writer.write(*this, 0);
    return std::move(writer.out);
}

std::string json_text(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tandem
