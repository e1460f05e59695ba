// Options of a command, each declared once: the command line, --config FILE, help, config.json and the comparison of
// two runs all come from `set.add("lora_rank", options.lora_rank, "help", {.min = 1})`. Hyphen and underscore are the
// same.
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
#include "tools/options/suggest.h"

namespace tandem {

// "24GB" is 24 * 10^9 bytes, "22694MiB" 22694 * 2^20, "1024" 1024.
struct ByteSize {
    std::int64_t bytes = 0;
    bool operator==(const ByteSize&) const = default;
};

// The names of an enum's values, in their order. Several names may stand for one value: the first is the one written.
//   template <> struct OptionNames<E> { static constexpr std::array names{std::pair{std::string_view("a"), E::a}, …};
//   };
template <class E> struct OptionNames;

// How a type stands on the command line and in JSON. `read` is false for a text that is none of the type.
template <class T> struct OptionType;
template <> struct OptionType<bool> {
    static bool read(std::string_view text, bool& value);
    static std::string json(bool value);
    static std::string expected() { return "true or false"; }
    static std::string placeholder() { return ""; }
};
template <> struct OptionType<std::int64_t> {
    static bool read(std::string_view text, std::int64_t& value);
    static std::string json(std::int64_t value);
    static std::string expected() { return "an integer"; }
    static std::string placeholder() { return "N"; }
};
template <> struct OptionType<double> {
    static bool read(std::string_view text, double& value);  // finite
    static std::string json(double value);                   // shortest text that reads back equal
    static std::string expected() { return "a number"; }
    static std::string placeholder() { return "X"; }
};
template <> struct OptionType<std::string> {
    static bool read(std::string_view text, std::string& value);
    static std::string json(const std::string& value);
    static std::string expected() { return "text"; }
    static std::string placeholder() { return "TEXT"; }
};
template <> struct OptionType<std::filesystem::path> {
    static bool read(std::string_view text, std::filesystem::path& value);  // not empty
    static std::string json(const std::filesystem::path& value);
    static std::string expected() { return "a path"; }
    static std::string placeholder() { return "PATH"; }
};
template <> struct OptionType<ByteSize> {
    static bool read(std::string_view text, ByteSize& value);
    static std::string json(ByteSize value);
    static std::string expected() { return "a size such as 24GB or 22694MiB"; }
    static std::string placeholder() { return "SIZE"; }
};
template <class E>
requires std::is_enum_v<E>
struct OptionType<E> {
    static bool read(std::string_view text, E& value) {
        for (const auto& [name, named] : OptionNames<E>::names)
            if (name == text) return value = named, true;
        return false;
    }
    static std::string text(E value) {
        for (const auto& [name, named] : OptionNames<E>::names)
            if (named == value) return std::string(name);
        return "";
    }
    static std::string json(E value) { return '"' + text(value) + '"'; }
    static std::string expected() {
        std::string all;
        for (const auto& [name, named] : OptionNames<E>::names) all += (all.empty() ? "" : "|") + std::string(name);
        return all;
    }
    static std::string placeholder() { return expected(); }
};
template <class T> struct OptionType<std::optional<T>> {
    static bool read(std::string_view text, std::optional<T>& value) {
        return OptionType<T>::read(text, value.emplace());
    }
    static std::string json(const std::optional<T>& value) { return value ? OptionType<T>::json(*value) : "null"; }
    static std::string expected() { return OptionType<T>::expected(); }
    static std::string placeholder() { return OptionType<T>::placeholder(); }
};
template <class T> struct OptionType<std::vector<T>> {  // a,b,c; an empty text is an empty list
    static bool read(std::string_view text, std::vector<T>& value) {
        value.clear();
        for (bool more = !text.empty(); more;) {
            std::size_t comma = text.find(',');
            std::string_view item = text.substr(0, comma);
            if (item.empty() || !OptionType<T>::read(item, value.emplace_back())) return false;
            more = comma != text.npos;
            if (more) text.remove_prefix(comma + 1);
        }
        return true;
    }
    static std::string json(const std::vector<T>& value) {
        std::string all;
        for (const T& item : value) all += (all.empty() ? "" : ", ") + OptionType<T>::json(item);
        return "[" + all + "]";
    }
    static std::string expected() { return "a list of " + OptionType<T>::expected() + ", separated by commas"; }
    static std::string placeholder() { return OptionType<T>::placeholder() + ",..."; }
};

// What a number must keep to.
struct OptionRange {
    static constexpr double inf = std::numeric_limits<double>::infinity();
    double min = -inf, max = inf;      // allowed themselves
    double above = -inf, below = inf;  // not allowed themselves

    bool holds(double value) const { return value >= min && value <= max && value > above && value < below; }
    template <class T> bool holds(const std::optional<T>& value) const { return !value || holds(double(*value)); }
    std::string text() const;  // " >= 0 and < 1"
};

// What of an option a run that goes on from a checkpoint may have otherwise than the run that made it.
enum class Resumed {
    same,        // nothing
    or_more,     // it may grow; a negative number is without end
    any,         // it changes no bit of what is computed
    by_content,  // its spelling: what it stands for is compared, data with data and weights with weights (resume.cpp)
};

// A rule between options that does not hold. It is not reported when one of those options already has an error.
struct OptionConflict {
    std::vector<std::string> options;
    std::string sentence;
};

class OptionSet {
  public:
    OptionSet(std::string command, std::string summary) : command_(std::move(command)), summary_(std::move(summary)) {}
    OptionSet(const OptionSet&) = delete;
    OptionSet& operator=(const OptionSet&) = delete;

    void group(std::string title) { group_ = std::move(title); }  // of the options declared after it

    // names: "model, model_name" declares an alias. The field's present value is the default; it must outlive the set.
    template <class T> void add(std::string_view names, T& field, std::string help, Resumed resumed = Resumed::same) {
        declare(names, std::move(help), field_of(field), resumed);
    }
    template <class T>
    void add(std::string_view names, T& field, std::string help, OptionRange range, Resumed resumed = Resumed::same) {
        Field ranged = field_of(field);
        ranged.expected += range.text();
        ranged.read = [&field, range](std::string_view text) {
            return OptionType<T>::read(text, field) && range.holds(field);
        };
        declare(names, std::move(help), std::move(ranged), resumed);
    }

    enum class Parsed { run, help };
    using Check = std::function<std::vector<OptionConflict>()>;
    // Sets the fields: defaults, then --config FILE, then the arguments. `check` is called once all are set. An
    // InputError has one line for every error found. Parsed::help: --help was asked for, nothing is set or checked.
    Parsed parse(const std::vector<std::string>& arguments, const Check& check = {});

    static std::string flag(std::string_view name);  // "lora_rank" -> "--lora-rank"
    // On the command line, or with another value than the default in the config file (which may be an earlier run's
    // json()).
    bool given(std::string_view name) const;
    std::string help() const;
    std::string json() const;  // every option with the value that its field has now
    // The options in whose way it is to go on from the run where json() wrote this: their values differ by more than
    // their declaration allows. One that is missing there had its default.
    std::vector<std::string> differences(const std::string& json) const;
    // --config, where it was given.
    const std::optional<std::filesystem::path>& config_file() const { return config_file_; }

  private:
    struct Field {
        std::string expected, placeholder;
        bool is_switch;  // may stand without a value
        std::function<bool(std::string_view)> read;
        std::function<std::string()> json;
    };
    template <class T> static Field field_of(T& field) {
        using Type = OptionType<T>;
        return {Type::expected(), Type::placeholder(), std::same_as<T, bool>,
                [&field](std::string_view text) { return Type::read(text, field); },
                [&field] { return Type::json(field); }};
    }
    struct Option {
        std::vector<std::string> names;  // with underscores
        std::string help, group;
        Field field;
        std::string default_json;
        Resumed resumed;
        bool given = false, failed = false;
    };
    struct Arguments;  // options.cpp
    void declare(std::string_view names, std::string help, Field field, Resumed resumed);
    Option* find(std::string_view name);
    const Option* find(std::string_view name) const;
    Suggestion meant(const std::string& name) const;  // by a name that is not declared
    std::vector<std::string> tokens(const std::vector<std::string>& arguments, std::vector<std::string>& errors) const;
    void report_extras(const std::vector<std::string>& extras, std::vector<std::string>& errors) const;
    void set(Option& option, const std::string& text, const std::string& source, std::vector<std::string>& errors);
    void read_config(const std::string& file, std::vector<std::string>& errors);
    void set_from_config(const std::string& file, const std::string& key, const Json& value,
                         std::vector<std::string>& errors);
    Arguments build() const;

    std::string command_, summary_, group_;
    std::vector<Option> options_;
    std::optional<std::filesystem::path> config_file_;
};

}  // namespace tandem
