#include "tools/session/settings/model_settings.h"

namespace tandem {

void declare(Settings& set, ModelRecipe& r) {
    set.group("Model");
    set.add("model, model_name", r.model, "a folder with config.json, or the name of a known model",
            Resumed::by_content);
    set.add("weights", r.weights, "random fills the model's exact shape with seeded noise");
    set.add("train_type", r.train_type, "qlora quantizes the frozen weights, hqq_lora in HQQ");
    set.add("precision", r.precision, "what is computed in");
    set.add("quant_type", r.quant_type, "the weight format; a checkpoint that is quantized keeps its own");
    set.add("double_quant", r.double_quant, "quantize the scales of nf4 or fp4 as well");
    set.add("n_bits", r.n_bits, "bits of a weight in hqq: 8, 4, 3, 2 or 1", {.min = 1, .max = 8});
    set.add("chat_template", r.chat_template, "the name of a chat template, instead of the checkpoint's own",
            Resumed::by_content);
    set.group("Machine");
    set.add("gpus", r.gpus, "a device for each rank: numbers of cards, or cpu; auto is all cards, else cpu,cpu",
            Resumed::by_content);
    set.add("gpu_memory", r.gpu_memory, "most that a rank may take of its card", Resumed::any);
    set.add("host_memory", r.host_memory, "most that all ranks may take of host memory, instead of what is free",
            Resumed::any);
    set.add("weights_on", r.weights_on,
            "where frozen weights lie: split between the devices; a range on each and a mirror of all on the host; or "
            "on the host alone; auto is the first that fits",
            Resumed::any);
    set.add("threads", r.threads, "threads of all CPU ranks together, all cores if not given", {.min = 1, .max = 4096},
            Resumed::any);
    set.add("context_length", r.context_length, "longest sample in tokens", {.min = 2, .max = 1 << 24});
    set.add("batch_size", r.batch_size, "samples of a rank's micro-batch", {.min = 1, .max = 1 << 20});
}

namespace {

void add_quantization_conflicts(const ModelRecipe& r, const Settings& set, std::vector<Conflict>& all) {
    const bool hqq = r.train_type == TrainType::hqq_lora || r.quant_type == QuantType::hqq;
    for (const char* name : {"quant_type", "double_quant", "n_bits"})
        if (set.given(name) && !quantizes(r.train_type))
            all.push_back({{"train_type", name}, setting(name) + " needs " + setting("train_type") +
                                                     " qlora or hqq_lora: no other quantizes"});
    if (r.train_type == TrainType::hqq_lora && set.given("quant_type") && r.quant_type != QuantType::hqq)
        all.push_back({{"train_type", "quant_type"},
                       setting("train_type") + " hqq_lora quantizes in hqq; for another " + setting("quant_type") +
                           " give qlora"});
    if (hqq && set.given("double_quant") && r.double_quant)
        all.push_back({{"quant_type", "double_quant"},
                       setting("double_quant") + " is for nf4 and fp4: hqq holds its scales in 16 bits"});
    if (hqq ? r.n_bits > 4 && r.n_bits < 8 : r.n_bits != 4)
        all.push_back({{"train_type", "quant_type", "n_bits"},
                       hqq ? setting("n_bits") + " expected 8, 4, 3, 2 or 1"
                           : setting("n_bits") + " is for hqq: give " + setting("train_type") +
                                 " hqq_lora; nf4 and fp4 have 4 bits"});
}

}  // namespace

std::vector<Conflict> conflicts(const ModelRecipe& r, const Settings& set, Devices devices) {
    std::vector<Conflict> all;
    const Placement gpus = r.gpus.resolved();
    if (std::string why = devices == Devices::here ? gpus.refusal() : gpus.refusal_anywhere(); !why.empty())
        all.push_back({{"gpus"}, std::move(why)});
    if (r.gpu_memory && r.gpu_memory->bytes < 1)
        all.push_back({{"gpu_memory"}, setting("gpu_memory") + " expected a size such as 24GB"});
    if (r.host_memory && r.host_memory->bytes < 1)
        all.push_back({{"host_memory"}, setting("host_memory") + " expected a size such as 24GB"});
    if (r.gpu_memory && !gpus.is_on_cards())
        all.push_back({{"gpu_memory", "gpus"}, setting("gpu_memory") + " is for cards; CPU ranks have none"});
    if (r.weights_on == WeightsOn::mirror && gpus.world_size() == 1)
        all.push_back(
            {{"weights_on", "gpus"}, setting("weights_on") + " mirror needs two ranks or more; one holds all"});
    add_quantization_conflicts(r, set, all);
    return all;
}

ModelRecipe settled(const ModelRecipe& recipe) {
    ModelRecipe r;
    Settings set;
    declare(set, r);
    r = recipe;
    r.gpus = r.gpus.resolved();
    set.check([&] { return conflicts(r, set); });
    return r;
}

std::string SettingType<Placement>::json(const Placement& value) {
    std::string list;
    for (char c : value.text()) list += c == ',' ? std::string("\", \"") : std::string(1, c);
    return list.empty() ? "[]" : "[\"" + list + "\"]";
}

}  // namespace tandem
