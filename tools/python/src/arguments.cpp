#include "tools/python/src/arguments.h"

#include "runtime/joined.h"

namespace tandem::python {

void ArgumentSettings::set_all(const Arguments& arguments) {
    std::vector<std::string> errors;
    for (const auto& [name, value] : arguments) {
        try {
            set(name, value);
        } catch (const InputError& e) {
            errors.push_back(e.message());
        }
    }
    if (!errors.empty()) throw InputError(joined(errors, "\n"));
}

std::vector<ArgumentSettings::Described> ArgumentSettings::described() const {
    std::vector<Described> list;
    for (const Setting& s : all()) list.emplace_back(s.names[0], s.field.expected, s.default_json, s.help);
    return list;
}

GenerateSettings generate_settings(const Sampling& s) {
    if (s.max_new_tokens < 1)
        throw InputError("[generate] expected max_new_tokens >= 1, got " + std::to_string(s.max_new_tokens));
    if (!(s.temperature >= 0))
        throw InputError("[generate] expected temperature >= 0, got " + std::to_string(s.temperature));
    if (s.seed < 0) throw InputError("[generate] expected seed >= 0, got " + std::to_string(s.seed));
    return {s.max_new_tokens, s.temperature, std::uint64_t(s.seed), {}};
}

ModelRecipe default_model_recipe() {
    ModelRecipe recipe;
    recipe.train_type = TrainType::full;  // quantized only where it is asked for
    return recipe;
}

ModelRecipe model_recipe(const Arguments& arguments) {
    ModelRecipe recipe = default_model_recipe();
    ArgumentSettings settings;
    declare(settings, recipe);
    settings.set_all(arguments);
    if (recipe.batch_size != 1)
        throw InputError(setting("batch_size") + " expected 1, got " + std::to_string(recipe.batch_size) +
                         "; a model takes one text at once");
    return settled(recipe);
}

}  // namespace tandem::python
