#include "tools/options/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "models/io/json_fields.h"
#include "runtime/joined.h"

namespace tandem {
namespace {

std::string on_command_line(const Suggestion& s) {
    return OptionSet::flag(s.option) + (s.value.empty() ? "" : " " + s.value);
}
std::string in_config(const Suggestion& s) { return s.option + (s.value.empty() ? "" : ": " + s.value); }

// A default as it would be typed.
std::string shown(const std::string& json) {
    std::string text;
    for (char c : json)
        if (!std::strchr("\"[] ", c)) text += c;
    return text == "null" ? "" : text;
}

// The text that the command line would have for a value of a config file; none for what it cannot say.
std::optional<std::string> text_of(const Json& value) {
    if (value.is_string()) return value.string();
    if (value.kind() == Json::Kind::boolean || value.is_number()) return value.text();
    if (!value.is_array()) return {};
    std::string list;
    for (const Json& item : value.array()) {
        if (item.is_array() || item.is_object() || item.is_null()) return {};
        list += (list.empty() ? "" : ",") + *text_of(item);
    }
    return list;
}

// A line of help: both columns, or the first alone where it is wider than its place.
void add_help(std::string& text, const std::string& option, const std::string& help) {
    constexpr std::size_t column = 44;
    text += option;
    text += option.size() < column ? std::string(column - option.size(), ' ') : "\n" + std::string(column, ' ');
    text += help + "\n";
}

}  // namespace

// What stands on a command line, before any of it is read as a value.
struct OptionSet::Words {
    std::vector<std::optional<std::string>> values;  // of each of all() the last one
    std::optional<std::string> config;
    std::vector<std::string> extras;  // unknown options and what else is none
    bool help = false;
};

std::string OptionSet::flag(std::string_view name) {
    std::string text = "--" + std::string(name);
    std::replace(text.begin(), text.end(), '_', '-');
    return text;
}

std::string OptionSet::help() const {
    std::string text = fmt::format("{}\nUsage: tandem {} [OPTIONS]\n", summary_, command_), group;
    for (const Setting& option : all()) {
        if (option.group != group) text += fmt::format("\n{}:\n", group = option.group);
        std::string line;
        for (const std::string& name : option.names) line += (line.empty() ? "  " : ",") + flag(name);
        if (!option.field.placeholder.empty()) line += " " + option.field.placeholder;
        if (std::string value = shown(option.default_json); !value.empty()) line += " [" + value + "]";
        add_help(text, line, option.help);
    }
    add_help(text, "  --config FILE.json", "defaults for all options, which the command line overrides");
    add_help(text, "  -h,--help", "this text");
    return text;
}

Suggestion OptionSet::meant(const std::string& name) const {
    std::vector<DeclaredOption> known;
    for (const Setting& option : all())
        for (const std::string& n : option.names) known.push_back({n, option.field.is_switch});
    known.push_back({"config"});
    known.push_back({"help"});
    return suggest(name, known);
}

void OptionSet::read(Setting& option, const std::string& text, const std::string& source,
                     std::vector<std::string>& errors) {
    if (option.field.read(text)) return;
    option.failed = true;
    errors.push_back(fmt::format("{} expected {}, got '{}'", source, option.field.expected, text));
}

void OptionSet::read_config(const std::string& file, std::vector<std::string>& errors) {
    try {
        Json values = parse_json_file(file);
        if (!values.is_object())
            return errors.push_back(
                fmt::format("{}: expected a JSON object of options, got {}", file, values.kind_name()));
        std::set<std::string> seen;
        for (const auto& [key, value] : values.object()) {
            if (!seen.insert(setting_name(key)).second)
                errors.push_back(fmt::format("{}: {} stands there twice", file, setting_name(key)));
            read_from_config(file, key, value, errors);
        }
    } catch (const InputError& e) {
        errors.push_back(fmt::format("--config {}", e.message()));
    }
}

void OptionSet::read_from_config(const std::string& file, const std::string& key, const Json& value,
                                std::vector<std::string>& errors) {
    Setting* option = find(key);
    std::string source = fmt::format("{}: {}", file, key);
    if (!option)
        errors.push_back(fmt::format("{}: unknown option {}; did you mean {}?", file, key, in_config(meant(key))));
    else if (auto text = text_of(value)) {
        read(*option, *text, source, errors);
        option->given = option->field.json() != option->default_json;
    } else if (!value.is_null())
        errors.push_back(fmt::format("{} expected {}, got {}", source, option->field.expected, value.text()));
}

OptionSet::Words OptionSet::split(const std::vector<std::string>& arguments, std::vector<std::string>& errors) const {
    Words words;
    words.values.resize(all().size());
    for (std::size_t i = 0; i < arguments.size(); i++) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--") || argument.size() == 2) {
            if (argument == "-h") words.help = true;
            else words.extras.push_back(argument);
            continue;
        }
        const std::size_t equals = argument.find('=');
        const std::string name = argument.substr(2, equals - 2);
        const std::string* next = i + 1 < arguments.size() ? &arguments[i + 1] : nullptr;
        const Setting* option = find(name);
        std::optional<std::string> value;
        if (equals != argument.npos) value = argument.substr(equals + 1);
        if (name == "help") {
            words.help = true;
        } else if (!option && name != "config") {
            words.extras.push_back(flag(name));
            if (value) words.extras.push_back(*value);
        } else if (!value && option && option->field.is_switch) {
            const bool follows = next && !next->starts_with('-');
            value = follows ? *next : "true";
            i += follows;
        } else if (!value && !next) {
            errors.push_back(flag(name) + " needs a value");
            continue;
        } else if (!value) {
            value = arguments[++i];  // whatever it looks like
        }
        if (option) words.values[std::size_t(option - all().data())] = value;
        else if (name == "config") words.config = value;
    }
    return words;
}

OptionSet::Parsed OptionSet::parse(const std::vector<std::string>& arguments, const Check& check) {
    std::vector<std::string> errors;
    const Words words = split(arguments, errors);
    if (words.help) return Parsed::help;

    if (words.config) {
        config_file_ = *words.config;
        read_config(*words.config, errors);
    }
    for (std::size_t i = 0; i < all().size(); i++) {
        if (!words.values[i]) continue;
        Setting& option = all()[i];
        std::string text = *words.values[i], source = flag(option.names[0]);
        if (text.empty() && option.field.is_switch) text = "true";
        if (text.starts_with("--") && find(text.substr(2)))
            errors.push_back(source + " needs a value, got the option " + text);
        else
            read(option, text, source, errors);
        option.given = true;
    }
    report_extras(words.extras, errors);
    add_conflicts(check, errors);
    if (!errors.empty()) throw InputError(worded(joined(errors, "\n"), flag));
    return Parsed::run;
}

void OptionSet::report_extras(const std::vector<std::string>& extras, std::vector<std::string>& errors) const {
    bool after_unknown = false;  // its value is no error of its own
    for (const std::string& extra : extras) {
        bool option = extra.starts_with("-");
        std::string bare = extra.substr(std::min(extra.size(), extra.find_first_not_of('-')));
        if (option)
            errors.push_back(fmt::format("unknown option {}; did you mean {}?", extra, on_command_line(meant(bare))));
        else if (!after_unknown)
            errors.push_back(fmt::format("unexpected argument '{}'; options start with --", extra));
        after_unknown = option;
    }
}

}  // namespace tandem
