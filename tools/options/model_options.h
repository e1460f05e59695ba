// The options that train, generate and eval share: which model, how its weights are held, where it runs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/options/options.h"

namespace tandem {

enum class TrainType { full, lora, qlora };
enum class Precision { bf16, fp32 };
enum class QuantType { nf4, fp4 };
enum class Weights { load, random };
enum class WeightsOn { automatic, device, mirror };

struct ModelOptions {
    std::string model = "demo";
    Weights weights = Weights::load;
    TrainType train_type = TrainType::qlora;
    Precision precision = Precision::bf16;
    QuantType quant_type = QuantType::nf4;
    bool double_quant = true;
    std::vector<std::string> gpus{"auto"};  // a rank each: cpu, or the number of a card; auto is resolved when read
    std::optional<ByteSize> gpu_memory;     // most that a rank takes of a card; none: what is free
    std::optional<ByteSize> host_memory;    // most that the ranks take of the host; none: what is free
    WeightsOn weights_on = WeightsOn::automatic;  // where a rank gets the frozen weights that it does not hold
    std::optional<std::int64_t> threads;          // of all CPU ranks; none: every core
    std::int64_t context_length = 512;
    std::int64_t batch_size = 1;  // per rank and micro-batch
};

void declare(OptionSet& set, ModelOptions& options);
// Puts devices in the place of auto: all cards, or two CPU ranks where there is none.
void resolve_gpus(ModelOptions& options);
std::vector<OptionConflict> validate(const ModelOptions& options, const OptionSet& set);

template <> struct OptionNames<TrainType> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, TrainType>>({
        {"full", TrainType::full},
        {"lora", TrainType::lora},
        {"qlora", TrainType::qlora},
        {"custom_lora", TrainType::lora},
        {"custom_qlora", TrainType::qlora},
    });
};
template <> struct OptionNames<Precision> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, Precision>>({{"bf16", Precision::bf16}, {"fp32", Precision::fp32}});
};
template <> struct OptionNames<QuantType> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, QuantType>>({{"nf4", QuantType::nf4}, {"fp4", QuantType::fp4}});
};
template <> struct OptionNames<WeightsOn> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, WeightsOn>>(
        {{"auto", WeightsOn::automatic}, {"device", WeightsOn::device}, {"mirror", WeightsOn::mirror}});
};
template <> struct OptionNames<Weights> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, Weights>>({{"load", Weights::load}, {"random", Weights::random}});
};

}  // namespace tandem
