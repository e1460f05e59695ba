#include "tools/options/options.h"

#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstring>
#include <memory>
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

// CLI11 takes "[a,b]" for a list of its own and splits it; with this at its end a value passes as it is.
constexpr char guard = '\x1f';
std::string guarded(const std::string& value) { return value.starts_with('[') ? value + guard : value; }
std::string unguarded(std::string value) {
    if (value.starts_with('[') && value.ends_with(guard)) value.pop_back();
    return value;
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

}  // namespace

struct OptionSet::Arguments {
    std::unique_ptr<CLI::App> app;
    std::vector<CLI::Option*> options;  // as all()
    CLI::Option *config, *help;
};

std::string OptionSet::flag(std::string_view name) {
    std::string text = "--" + std::string(name);
    std::replace(text.begin(), text.end(), '_', '-');
    return text;
}

OptionSet::Arguments OptionSet::build() const {
    Arguments a{std::make_unique<CLI::App>(summary_, "tandem " + command_), {}, nullptr, nullptr};
    a.app->set_help_flag();
    a.app->allow_extras();
    a.app->get_formatter()->column_width(44);
    for (const Setting& option : all()) {
        std::string flags;
        for (const std::string& name : option.names) flags += (flags.empty() ? "" : ",") + flag(name);
        CLI::Option* o = a.app->add_option(flags, CLI::callback_t(), option.help);
        o->expected(option.field.is_switch ? 0 : 1, 1)->take_last()->group(option.group);
        std::string text = option.field.placeholder, value = shown(option.default_json);
        if (!value.empty()) text += (text.empty() ? "[" : " [") + value + "]";
        o->option_text(text);
        a.options.push_back(o);
    }
    a.config =
        a.app->add_option("--config", CLI::callback_t(), "defaults for all options, which the command line overrides");
    a.config->take_last()->option_text("FILE.json");
    a.help = a.app->add_flag("--help,-h")->description("this text");
    return a;
}

std::string OptionSet::help() const { return build().app->help(); }

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

// Names with hyphens, and apart from their values, which may look like anything.
std::vector<std::string> OptionSet::tokens(const std::vector<std::string>& arguments,
                                           std::vector<std::string>& errors) const {
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < arguments.size(); i++) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--") || argument.size() == 2) {
            tokens.push_back(guarded(argument));
            continue;
        }
        std::size_t equals = argument.find('=');
        std::string name = argument.substr(2, equals - 2);
        const Setting* option = find(name);
        bool wants = option ? !option->field.is_switch : name == "config";
        if (equals == argument.npos && wants && i + 1 == arguments.size()) {
            errors.push_back(flag(name) + " needs a value");
            continue;
        }
        tokens.push_back(flag(name));
        if (equals != argument.npos)
            tokens.push_back(guarded(argument.substr(equals + 1)));
        else if (wants)
            tokens.push_back(guarded(arguments[++i]));
    }
    return tokens;
}

OptionSet::Parsed OptionSet::parse(const std::vector<std::string>& arguments, const Check& check) {
    std::vector<std::string> errors;
    Arguments a = build();
    std::vector<std::string> list = tokens(arguments, errors);
    std::reverse(list.begin(), list.end());  // as CLI11 wants them
    a.app->parse(std::move(list));
    if (a.help->count()) return Parsed::help;

    if (a.config->count()) {
        config_file_ = unguarded(a.config->results().back());
        read_config(config_file_->string(), errors);
    }
    std::vector<Setting>& options = all();
    for (std::size_t i = 0; i < options.size(); i++) {
        if (!a.options[i]->count()) continue;
        std::string text = unguarded(a.options[i]->results().back()), source = flag(options[i].names[0]);
        if (text.empty() && options[i].field.is_switch) text = "true";
        if (text.starts_with("--") && find(text.substr(2)))
            errors.push_back(source + " needs a value, got the option " + text);
        else
            read(options[i], text, source, errors);
        options[i].given = true;
    }
    report_extras(a.app->remaining(), errors);
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
            errors.push_back(fmt::format("unexpected argument '{}'; options start with --", unguarded(extra)));
        after_unknown = option;
    }
}

}  // namespace tandem
