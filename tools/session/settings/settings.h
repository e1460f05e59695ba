// Settings of a run or a command, each declared once: `set.add("lora_rank", recipe.lora_rank, "help", {.min = 1})`.
// The command line's options, --config FILE, help, config.json, the comparison of two runs and a language's arguments
// all come from that declaration. Hyphen and underscore are the same in names.
#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/json.h"
#include "tools/session/recipe.h"

namespace tandem {

// The names of an enum's values, in their order. Several names may stand for one value: the first is the one written.
//   template <> struct SettingNames<E> { static constexpr std::array names{std::pair{std::string_view("a"), E::a}, …};
//   };
template <class E> struct SettingNames;

// How a type stands on a command line and in JSON. `read` is false for a text that is none of the type.
template <class T> struct SettingType;
template <> struct SettingType<bool> {
    static bool read(std::string_view text, bool& value);
    static std::string json(bool value);
    static std::string expected() { return "true or false"; }
    static std::string placeholder() { return ""; }
};
template <> struct SettingType<std::int64_t> {
    static bool read(std::string_view text, std::int64_t& value);
    static std::string json(std::int64_t value);
    static std::string expected() { return "an integer"; }
    static std::string placeholder() { return "N"; }
};
template <> struct SettingType<double> {
    static bool read(std::string_view text, double& value);  // finite
    static std::string json(double value);                   // shortest text that reads back equal
    static std::string expected() { return "a number"; }
    static std::string placeholder() { return "X"; }
};
template <> struct SettingType<std::string> {
    static bool read(std::string_view text, std::string& value);
    static std::string json(const std::string& value);
    static std::string expected() { return "text"; }
    static std::string placeholder() { return "TEXT"; }
};
template <> struct SettingType<std::filesystem::path> {
    static bool read(std::string_view text, std::filesystem::path& value);  // not empty
    static std::string json(const std::filesystem::path& value);
    static std::string expected() { return "a path"; }
    static std::string placeholder() { return "PATH"; }
};
template <> struct SettingType<ByteSize> {  // "24GB" is 24 * 10^9 bytes, "22694MiB" 22694 * 2^20, "1024" 1024
    static bool read(std::string_view text, ByteSize& value);
    static std::string json(ByteSize value);
    static std::string expected() { return "a size such as 24GB or 22694MiB"; }
    static std::string placeholder() { return "SIZE"; }
};
template <class E>
requires std::is_enum_v<E>
struct SettingType<E> {
    static bool read(std::string_view text, E& value) {
        for (const auto& [name, named] : SettingNames<E>::names)
            if (name == text) return value = named, true;
        return false;
    }
    static std::string text(E value) {
        for (const auto& [name, named] : SettingNames<E>::names)
            if (named == value) return std::string(name);
        return "";
    }
    static std::string json(E value) { return '"' + text(value) + '"'; }
    static std::string expected() {
        std::string all;
        for (const auto& [name, named] : SettingNames<E>::names) all += (all.empty() ? "" : "|") + std::string(name);
        return all;
    }
    static std::string placeholder() { return expected(); }
};
template <class T> struct SettingType<std::optional<T>> {
    static bool read(std::string_view text, std::optional<T>& value) {
        return SettingType<T>::read(text, value.emplace());
    }
    static std::string json(const std::optional<T>& value) { return value ? SettingType<T>::json(*value) : "null"; }
    static std::string expected() { return SettingType<T>::expected(); }
    static std::string placeholder() { return SettingType<T>::placeholder(); }
};
template <class T> struct SettingType<std::vector<T>> {  // a,b,c; an empty text is an empty list
    static bool read(std::string_view text, std::vector<T>& value) {
        value.clear();
        for (bool more = !text.empty(); more;) {
            std::size_t comma = text.find(',');
            std::string_view item = text.substr(0, comma);
            if (item.empty() || !SettingType<T>::read(item, value.emplace_back())) return false;
            more = comma != text.npos;
            if (more) text.remove_prefix(comma + 1);
        }
        return true;
    }
    static std::string json(const std::vector<T>& value) {
        std::string all;
        for (const T& item : value) all += (all.empty() ? "" : ", ") + SettingType<T>::json(item);
        return "[" + all + "]";
    }
    static std::string expected() { return "a list of " + SettingType<T>::expected() + ", separated by commas"; }
    static std::string placeholder() { return SettingType<T>::placeholder() + ",..."; }
};

// What a number must keep to.
struct SettingRange {
    static constexpr double inf = std::numeric_limits<double>::infinity();
    double min = -inf, max = inf;      // allowed themselves
    double above = -inf, below = inf;  // not allowed themselves

    bool holds(double value) const { return value >= min && value <= max && value > above && value < below; }
    template <class T> bool holds(const std::optional<T>& value) const { return !value || holds(double(*value)); }
    std::string text() const;  // " >= 0 and < 1"
};

// What of a setting a run that goes on from a checkpoint may have otherwise than the run that made it.
enum class Resumed {
    same,        // nothing
    or_more,     // it may grow; a negative number is without end
    any,         // it changes no bit of what is computed
    by_content,  // its spelling: what it stands for is compared, data with data and weights with weights (resume.cpp)
};

// A rule between settings that does not hold. It is not reported when one of those settings already has an error.
struct Conflict {
    std::vector<std::string> settings;
    std::string sentence;
};

class Settings {
  public:
    Settings() = default;
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

    void group(std::string title) { group_ = std::move(title); }  // of the settings declared after it

    // names: "model, model_name" declares an alias. The field's present value is the default; it must outlive the set.
    template <class T> void add(std::string_view names, T& field, std::string help, Resumed resumed = Resumed::same) {
        declare(names, std::move(help), field_of(field), resumed);
    }
    template <class T>
    void add(std::string_view names, T& field, std::string help, SettingRange range, Resumed resumed = Resumed::same) {
        Field ranged = field_of(field);
        ranged.expected += range.text();
        ranged.read = [&field, range](std::string_view text) {
            return SettingType<T>::read(text, field) && range.holds(field);
        };
        ranged.holds = [&field, range] { return range.holds(field); };
        declare(names, std::move(help), std::move(ranged), resumed);
    }

    // Sets a field by the text that a command line would have for it. An InputError says what is expected.
    void set(std::string_view name, const std::string& text);

    // An InputError with a line for every field outside its range, and for every conflict.
    using Check = std::function<std::vector<Conflict>()>;
    void check(const Check& check) const;

    // Given by whoever set it or, after fields were written to directly, of another value than the default.
    bool given(std::string_view name) const;
    std::string json() const;  // every setting with the value that its field has now
    // The settings in whose way it is to go on from the run where json() wrote this: their values differ by more than
    // their declaration allows. One that is missing there had its default.
    std::vector<std::string> differences(const std::string& json) const;

  protected:
    struct Field {
        std::string expected, placeholder;
        bool is_switch;  // may stand without a value
        std::function<bool(std::string_view)> read;
        std::function<std::string()> json;
        std::function<bool()> holds = [] { return true; };
    };
    struct Setting {
        std::vector<std::string> names;  // with underscores
        std::string help, group;
        Field field;
        std::string default_json;
        Resumed resumed;
        bool given = false, failed = false;
    };
    Setting* find(std::string_view name);
    const Setting* find(std::string_view name) const;
    std::vector<Setting>& all() { return settings_; }
    const std::vector<Setting>& all() const { return settings_; }
    void add_conflicts(const Check& check, std::vector<std::string>& errors) const;

  private:
    template <class T> static Field field_of(T& field) {
        using Type = SettingType<T>;
        return {Type::expected(), Type::placeholder(), std::same_as<T, bool> || std::same_as<T, std::optional<bool>>,
                [&field](std::string_view text) { return Type::read(text, field); },
                [&field] { return Type::json(field); }};
    }
    void declare(std::string_view names, std::string help, Field field, Resumed resumed);

    std::string group_;
    std::vector<Setting> settings_;
};

// "lora_rank", as settings are called, of "lora-rank".
std::string setting_name(std::string_view name);

}  // namespace tandem
