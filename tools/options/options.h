// The options of a command: its settings (tools/session/settings) as the command line, --config FILE and help have
// them.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/options/suggest.h"
#include "tools/session/settings/settings.h"

namespace tandem {

class OptionSet : public Settings {
  public:
    OptionSet(std::string command, std::string summary) : command_(std::move(command)), summary_(std::move(summary)) {}

    enum class Parsed { run, help };
    // Sets the fields: defaults, then --config FILE, then the arguments. `check` is called once all are set. An
    // InputError has one line for every error found. Parsed::help: --help was asked for, nothing is set or checked.
    Parsed parse(const std::vector<std::string>& arguments, const Check& check = {});

    // What parse() does of --config FILE: adds a line for every error.
    void read_config(const std::string& file, std::vector<std::string>& errors);

    static std::string flag(std::string_view name);  // "lora_rank" -> "--lora-rank"
    std::string help() const;
    // --config, where it was given.
    const std::optional<std::filesystem::path>& config_file() const { return config_file_; }

  private:
    struct Words;  // options.cpp
    Suggestion meant(const std::string& name) const;  // by a name that is not declared
    Words split(const std::vector<std::string>& arguments, std::vector<std::string>& errors) const;
    void report_extras(const std::vector<std::string>& extras, std::vector<std::string>& errors) const;
    void read(Setting& option, const std::string& text, const std::string& source, std::vector<std::string>& errors);
    void read_from_config(const std::string& file, const std::string& key, const Json& value,
                          std::vector<std::string>& errors);

    std::string command_, summary_;
    std::optional<std::filesystem::path> config_file_;
};

}  // namespace tandem
