// The settings that training, generation and evaluation share.
#pragma once
#include "tools/session/recipe.h"
#include "tools/session/settings/settings.h"

namespace tandem {

void declare(Settings& set, ModelRecipe& recipe);
std::vector<Conflict> conflicts(const ModelRecipe& recipe, const Settings& set, Devices devices = Devices::here);
// With its devices found; an InputError names every setting that is out of its range or contradicts another.
ModelRecipe settled(const ModelRecipe& recipe);

template <> struct SettingType<Placement> {
    static bool read(std::string_view text, Placement& value) { return Placement::read(text, value); }
    static std::string json(const Placement& value);  // a list
    static std::string expected() { return "cpu or numbers of cards"; }
    static std::string placeholder() { return "DEVICE,..."; }
};
template <> struct SettingNames<TrainType> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, TrainType>>({
        {"full", TrainType::full},
        {"lora", TrainType::lora},
        {"qlora", TrainType::qlora},
        {"custom_lora", TrainType::lora},
        {"custom_qlora", TrainType::qlora},
        {"hqq_lora", TrainType::hqq_lora},
    });
};
template <> struct SettingNames<Precision> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, Precision>>({{"bf16", Precision::bf16}, {"fp32", Precision::fp32}});
};
template <> struct SettingNames<QuantType> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, QuantType>>(
            {{"nf4", QuantType::nf4}, {"fp4", QuantType::fp4}, {"hqq", QuantType::hqq}});
};
template <> struct SettingNames<WeightsOn> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, WeightsOn>>(
        {{"auto", WeightsOn::automatic}, {"device", WeightsOn::device}, {"mirror", WeightsOn::mirror},
         {"host", WeightsOn::host}});
};
template <> struct SettingNames<Weights> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, Weights>>({{"load", Weights::load}, {"random", Weights::random}});
};

}  // namespace tandem
