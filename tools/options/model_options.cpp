#include "tools/options/model_options.h"

#include <fmt/format.h>

namespace tandem {

void declare(OptionSet& set, ModelOptions& o) {
    set.group("Model");
    set.add("model, model_name", o.model, "a folder with config.json, or the name of a known model");
    set.add("weights", o.weights, "random fills the model's exact shape with seeded noise");
    set.add("train_type", o.train_type, "qlora holds the frozen weights in 4 bits");
    set.add("precision", o.precision, "what is computed in");
    set.add("quant_type", o.quant_type, "4-bit code; a checkpoint that is in 4 bits keeps its own");
    set.add("double_quant", o.double_quant, "quantize the scales of the 4-bit blocks as well");
    set.group("Machine");
    set.add("gpus", o.gpus, "a device for each rank; cpu is the only one so far");
    set.add("threads", o.threads, "threads of all CPU ranks together, all cores if not given", {.min = 1, .max = 4096});
    set.add("context_length", o.context_length, "longest sample in tokens", {.min = 2, .max = 1 << 24});
    set.add("batch_size", o.batch_size, "samples of a rank's micro-batch", {.min = 1, .max = 1 << 20});
}

std::vector<OptionConflict> validate(const ModelOptions& o, const OptionSet& set) {
    std::vector<OptionConflict> conflicts;
    if (o.gpus.empty())
        conflicts.push_back({{"gpus"}, "--gpus names no device; give one for each rank, such as cpu,cpu"});
    for (const std::string& device : o.gpus)
        if (device != "cpu")
            conflicts.push_back({{"gpus"}, fmt::format("--gpus expected cpu for every rank, got '{}'", device)});
    for (const char* name : {"quant_type", "double_quant"})
        if (set.given(name) && o.train_type != TrainType::qlora)
            conflicts.push_back(
                {{"train_type", name}, OptionSet::flag(name) + " needs --train-type qlora: no other quantizes"});
    return conflicts;
}

}  // namespace tandem
