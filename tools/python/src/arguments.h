// Python's arguments are settings (tools/session/settings): their names, values, ranges and help.
#pragma once
#include <string>
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

    struct Described {
        std::string name, expected, initial, help;
    };
    std::vector<Described> described() const;
};

// Of a text to be made; an InputError for what is out of its range.
struct Sampling {
    std::int64_t max_new_tokens;
    double temperature;
    std::int64_t seed;
};
GenerateSettings generate_settings(const Sampling& sampling);  // without end tokens

// What of a recipe the arguments leave as it is, is as given.
ModelRecipe model_recipe(const Arguments& arguments);

}  // namespace tandem::python
