#include "tools/options/model_options.h"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/build.h"
#include "runtime/cuda/cards.h"

namespace tandem {

void declare(OptionSet& set, ModelOptions& o) {
    set.group("Model");
    set.add("model, model_name", o.model, "a folder with config.json, or the name of a known model",
            Resumed::by_content);
    set.add("weights", o.weights, "random fills the model's exact shape with seeded noise");
    set.add("train_type", o.train_type, "qlora holds the frozen weights in 4 bits");
    set.add("precision", o.precision, "what is computed in");
    set.add("quant_type", o.quant_type, "4-bit code; a checkpoint that is in 4 bits keeps its own");
    set.add("double_quant", o.double_quant, "quantize the scales of the 4-bit blocks as well");
    set.group("Machine");
    set.add("gpus", o.gpus, "a device for each rank: numbers of cards, or cpu; auto is all cards, else cpu,cpu",
            Resumed::by_content);
    set.add("gpu_memory", o.gpu_memory, "most that a rank may take of its card", Resumed::any);
    set.add("host_memory", o.host_memory, "most that all ranks may take of host memory, instead of what is free",
            Resumed::any);
    set.add("weights_on", o.weights_on, "where a rank gets frozen weights that it lacks: its peers, or a host mirror",
            Resumed::any);
    set.add("threads", o.threads, "threads of all CPU ranks together, all cores if not given", {.min = 1, .max = 4096},
            Resumed::any);
    set.add("context_length", o.context_length, "longest sample in tokens", {.min = 2, .max = 1 << 24});
    set.add("batch_size", o.batch_size, "samples of a rank's micro-batch", {.min = 1, .max = 1 << 20});
}

void resolve_gpus(ModelOptions& o) {
    if (o.gpus != std::vector<std::string>{"auto"}) return;
    o.gpus.clear();
    if constexpr (build::has_cuda)
        for (const Card& c : cards()) o.gpus.push_back(std::to_string(c.ordinal));
    if (o.gpus.empty()) o.gpus = {"cpu", "cpu"};
}

namespace {

// Why a rank cannot run on `device`; empty: it can.
std::string refusal(const std::string& device) {
    if (device == "cpu") return "";
    bool number = !device.empty() && device.size() < 4 &&
                  std::all_of(device.begin(), device.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) return fmt::format("--gpus expected cpu or numbers of cards, got '{}'", device);
    if constexpr (build::has_cuda) {
        std::size_t count = cards().size();
        if (std::size_t(std::stoi(device)) < count) return "";
        return fmt::format("--gpus names card {}, but this machine shows {}; see nvidia-smi, or use cpu,cpu", device,
                           count);
    }
    return fmt::format("--gpus names card {}, but this program was built without CUDA: where NVIDIA's driver and nvcc "
                       "(CUDA Toolkit 13) are installed ./tandem builds itself again for cards, and TANDEM_CUDA=on "
                       "./tandem … where nvcc alone is; or use cpu,cpu",
                       device);
}

void check_gpus(const ModelOptions& o, std::vector<OptionConflict>& conflicts) {
    for (const std::string& device : o.gpus)
        if (std::string why = refusal(device); !why.empty()) conflicts.push_back({{"gpus"}, std::move(why)});
    if (!conflicts.empty()) return;
    auto cpus = std::count(o.gpus.begin(), o.gpus.end(), "cpu");
    if (cpus > 0 && std::size_t(cpus) < o.gpus.size())
        conflicts.push_back({{"gpus"}, "--gpus mixes cpu and cards; all ranks run on one kind"});
}

}  // namespace

std::vector<OptionConflict> validate(const ModelOptions& o, const OptionSet& set) {
    std::vector<OptionConflict> conflicts;
    if (o.gpus.empty())
        conflicts.push_back({{"gpus"}, "--gpus names no device; give one for each rank, such as cpu,cpu"});
    check_gpus(o, conflicts);
    if (o.gpu_memory && o.gpu_memory->bytes < 1)
        conflicts.push_back({{"gpu_memory"}, "--gpu-memory expected a size such as 24GB"});
    if (o.host_memory && o.host_memory->bytes < 1)
        conflicts.push_back({{"host_memory"}, "--host-memory expected a size such as 24GB"});
    if (o.gpu_memory && std::count(o.gpus.begin(), o.gpus.end(), "cpu"))
        conflicts.push_back({{"gpu_memory", "gpus"}, "--gpu-memory is for cards; CPU ranks have none"});
    if (o.weights_on == WeightsOn::mirror && o.gpus.size() == 1)
        conflicts.push_back({{"weights_on", "gpus"}, "--weights-on mirror needs two ranks or more; one holds all"});
    for (const char* name : {"quant_type", "double_quant"})
        if (set.given(name) && o.train_type != TrainType::qlora)
            conflicts.push_back(
                {{"train_type", name}, OptionSet::flag(name) + " needs --train-type qlora: no other quantizes"});
    return conflicts;
}

}  // namespace tandem
