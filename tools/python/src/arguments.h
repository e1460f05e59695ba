// Python's arguments are settings (tools/session/settings): their names, values, ranges and help.
#pragma once
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "models/llama/generate.h"
#include "tools/session/settings/recipe_settings.h"

namespace tandem::python {

using Arguments = std::vector<std::pair<std::string, std::string>>;  // name, value as a command line has it

class ArgumentSettings : public Settings {
  public:
    // An InputError with a line for every argument that is none or whose value is none of its.
    void set_all(const Arguments& arguments);

    using Described = std::tuple<std::string, std::string, std::string, std::string>;  // name, expected, default, help
    std::vector<Described> described() const;
};

// Every setting of a recipe, whose values are the defaults.
template <class R> std::vector<ArgumentSettings::Described> described(R recipe) {
    ArgumentSettings settings;
    declare(settings, recipe);
    return settings.described();
}

// Of a text to be made; an InputError for what is out of its range.
struct Sampling {
    std::int64_t max_new_tokens;
    double temperature;
    std::int64_t seed;
};
GenerateSettings generate_settings(const Sampling& sampling);  // without end tokens

// Of a model without training.
ModelRecipe default_model_recipe();
ModelRecipe model_recipe(const Arguments& arguments);

}  // namespace tandem::python
