#include "tools/session/settings/recipe_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "models/llama/params.h"
#include "runtime/joined.h"

namespace tandem {
namespace {

void declare_data(Settings& set, Recipe& r) {
    set.group("Data");
    set.add("dataset", r.dataset, "a JSON or JSONL file or pipe", Resumed::by_content);
    set.add("dataset_samples", r.dataset_samples, "how many of its samples, all if not given", {.min = 1},
            Resumed::by_content);
    set.add("shuffle", r.shuffle, "another order in every epoch, by seed and epoch");
    set.add("packing", r.packing, "fill rows of the context length with several samples that do not see each other");
    set.add("truncate", r.truncate, "cut samples longer than the context; without it they are an error",
            Resumed::by_content);
}

void declare_lora(Settings& set, Recipe& r) {
    set.group("LoRA");
    set.add("lora_rank", r.lora_rank, "rank of the adapters", {.min = 1, .max = 1 << 16});
    set.add("lora_alpha", r.lora_alpha, "their scale is alpha / rank", {.above = 0});
    set.add("lora_dropout", r.lora_dropout, "dropout before the adapters", {.min = 0, .below = 1});
    set.add("lora_target_modules", r.lora_target_modules,
            "all (seven), default (q_proj,v_proj), or names of projections", Resumed::by_content);
    set.add("use_rslora", r.use_rslora, "scale by alpha / sqrt(rank)");
    set.add("init_adapter", r.init_adapter, "start from this PEFT adapter, with its rank, alpha, targets and layers",
            Resumed::by_content);
}

void declare_optimization(Settings& set, Recipe& r) {
    set.group("Optimization");
    set.add("seed", r.seed, "of every random number", {.min = 0});
    set.add("max_steps", r.max_steps, "optimizer steps; -1 leaves the end to num_epochs", {.min = -1},
            Resumed::or_more);
    set.add("num_epochs", r.num_epochs, "passes over the data", {.min = 1}, Resumed::or_more);
    set.add("gradient_accumulation_steps", r.gradient_accumulation_steps, "micro-batches of a step",
            {.min = 1, .max = 1 << 20});
    set.add("optimizer", r.optimizer, "AdamW has betas 0.9 and 0.95, eps 1e-5");
    set.add("lr", r.lr, "learning rate", {.min = 0});
    set.add("wd", r.wd, "weight decay", {.min = 0});
    set.add("lr_scheduler", r.lr_scheduler, "linear and cosine warm up over a tenth of the steps");
    set.add("apply_gradient_clipping", r.apply_gradient_clipping, "clip the gradient to grad_norm");
    set.add("grad_norm", r.grad_norm, "largest norm of the gradient", {.above = 0});
}

void declare_sharding(Settings& set, Recipe& r) {
    set.group("Memory and sharding");
    set.add("sharding_strategy", r.sharding_strategy, "what is split between the ranks", Resumed::any);
    set.add("use_gradient_checkpointing", r.use_gradient_checkpointing, "compute each block again in backward",
            Resumed::any);
    set.add("activations_on", r.activations_on,
            "where block inputs wait for backward; auto is the device where they fit", Resumed::any);
    set.add("use_cpu_offload", r.use_cpu_offload, "true: weights_on host; false: device", Resumed::any);
    set.add("use_activation_cpu_offload", r.use_activation_cpu_offload, "true: activations_on host; false: device",
            Resumed::any);
    set.add("low_memory", r.low_memory, "true: weights_on and activations_on host; false: device", Resumed::any);
    set.add("transport", r.transport, "how ranks exchange bytes", Resumed::any);
    set.add("prefetch", r.prefetch, "units gathered ahead; 0 for none", {.min = 0, .max = 1024}, Resumed::any);
}

void declare_output(Settings& set, Recipe& r) {
    set.group("Output");
    set.add("output_dir", r.output_dir, "where metrics, checkpoints and the adapter are written", Resumed::any);
    set.add("save_model", r.save_model, "with train type full, write the model; adapters are always written",
            Resumed::any);
    set.add("resume", r.resume,
            "auto, from the newest valid checkpoint of output_dir; never; or a checkpoint's folder", Resumed::any);
    set.add("checkpoint_every", r.checkpoint_every, "steps between checkpoints; 0 for the last alone", {.min = 0},
            Resumed::any);
    set.add("keep", r.keep, "how many checkpoints stay", {.min = 1}, Resumed::any);
    set.add("eval_dataset", r.eval_dataset, "held-back samples for the evaluation loss", Resumed::any);
    set.add("eval_every", r.eval_every, "steps between evaluations; 0 for the end of each epoch", {.min = 0},
            Resumed::any);
    set.add("sample_prompt", r.sample_prompt, "a prompt to answer before and after training", Resumed::any);
    set.add("trace", r.trace, "write trace.json for chrome://tracing", Resumed::any);
}

}  // namespace

void declare(Settings& set, Recipe& r) {
    declare(set, static_cast<ModelRecipe&>(r));
    declare_data(set, r);
    declare_lora(set, r);
    declare_optimization(set, r);
    declare_sharding(set, r);
    declare_output(set, r);
}

namespace {

void add_transport_conflicts(const Recipe& r, std::vector<Conflict>& all) {
    const std::string transport = setting("transport");
    const std::vector<int> cards = r.gpus.resolved().cards();
    if (cards.empty() && (r.transport == TransportKind::peer || r.transport == TransportKind::nccl))
        all.push_back({{"transport", "gpus"}, transport + " peer and nccl are for cards; CPU ranks have host"});
    if (!cards.empty() && r.transport == TransportKind::host)
        all.push_back({{"transport", "gpus"}, transport + " host is for CPU ranks; cards have peer and nccl"});
    if (r.transport == TransportKind::nccl && std::set<int>(cards.begin(), cards.end()).size() < cards.size())
        all.push_back({{"transport", "gpus"}, transport + " nccl refuses two ranks on one card; use peer"});
}

}  // namespace

namespace {

// Whether a place is given that is not what an offload says.
template <class P> bool contradicts(const std::optional<bool>& offload, P place) {
    return offload && place != P::automatic && place != (*offload ? P::host : P::device);
}

void add_offload_conflicts(const Recipe& r, std::vector<Conflict>& all) {
    auto add = [&](const char* offload, const std::optional<bool>& value, const char* place, bool wrong) {
        if (wrong)
            all.push_back({{offload, place}, fmt::format("{} {} contradicts {}; leave one out", setting(offload),
                                                         *value, setting(place))});
    };
    add("use_cpu_offload", r.use_cpu_offload, "weights_on", contradicts(r.use_cpu_offload, r.weights_on));
    add("low_memory", r.low_memory, "weights_on", contradicts(r.low_memory, r.weights_on));
    add("use_activation_cpu_offload", r.use_activation_cpu_offload, "activations_on",
        contradicts(r.use_activation_cpu_offload, r.activations_on));
    add("low_memory", r.low_memory, "activations_on", contradicts(r.low_memory, r.activations_on));
    for (const auto& [name, value] : {std::pair{"use_cpu_offload", r.use_cpu_offload},
                                      std::pair{"use_activation_cpu_offload", r.use_activation_cpu_offload}})
        add("low_memory", r.low_memory, name, r.low_memory && value && *value != *r.low_memory);
}

}  // namespace

void apply_offload(Recipe& r) {
    auto settle = [](const std::optional<bool>& offload, auto& place) {
        using P = std::decay_t<decltype(place)>;
        if (offload && place == P::automatic) place = *offload ? P::host : P::device;
    };
    settle(r.use_cpu_offload, r.weights_on);
    settle(r.low_memory, r.weights_on);
    settle(r.use_activation_cpu_offload, r.activations_on);
    settle(r.low_memory, r.activations_on);
}

std::vector<Conflict> conflicts(const Recipe& given, const Settings& set, Devices devices) {
    Recipe r = given;
    apply_offload(r);
    std::vector<Conflict> all = conflicts(static_cast<const ModelRecipe&>(r), set, devices);
    if (r.train_type == TrainType::full)
        for (const char* name :
             {"lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora", "init_adapter"})
            if (set.given(name))
                all.push_back({{"train_type", name},
                               fmt::format("{} needs an adapter; {} full has none", setting(name),
                                           setting("train_type"))});
    if (r.lora_target_modules.names.empty())
        all.push_back({{"lora_target_modules"}, setting("lora_target_modules") + " names no projection"});
    add_transport_conflicts(r, all);
    add_offload_conflicts(given, all);
    if (lies_on_host(r.weights_on) && r.sharding_strategy == Strategy::ddp)
        all.push_back({{"weights_on", "sharding_strategy"},
                       fmt::format("{} {} needs weights that are gathered; ddp holds all of them on each device",
                                   setting("weights_on"), SettingType<WeightsOn>::text(r.weights_on))});
    if (r.activations_on == ActivationsOn::host && !r.use_gradient_checkpointing)
        all.push_back({{"activations_on", "use_gradient_checkpointing"},
                       fmt::format("{} host is for the inputs of blocks that are computed again; {} false keeps "
                                   "everything on the device",
                                   setting("activations_on"), setting("use_gradient_checkpointing"))});
    if (r.max_steps == 0)
        all.push_back({{"max_steps"}, setting("max_steps") + " expected -1 or at least 1, got 0"});
    if (set.given("eval_every") && !r.eval_dataset)
        all.push_back({{"eval_every", "eval_dataset"},
                       setting("eval_every") + " needs " + setting("eval_dataset")});
    return all;
}

Projections Projections::of(std::vector<std::string> names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return {std::move(names)};
}

Projections Projections::all() { return of(projection_names()); }

// Besides names: all of them, and fsdp_qlora's default.
bool SettingType<Projections>::read(std::string_view text, Projections& value) {
    std::vector<std::string> names;
    if (!SettingType<std::vector<std::string>>::read(text, names)) return false;
    if (text == "all") return value = Projections::all(), true;
    if (text == "default") return value = Projections::of({"q_proj", "v_proj"}), true;
    for (const std::string& name : names)
        if (std::ranges::count(projection_names(), name) == 0) return false;
    value = Projections::of(std::move(names));
    return true;
}

std::string SettingType<Projections>::json(const Projections& value) {
    if (value == Projections::all()) return "[\"all\"]";
    return SettingType<std::vector<std::string>>::json(value.names);
}

std::string SettingType<Projections>::expected() {
    return "all, default or some of " + joined(projection_names(), ",");
}

bool SettingType<ResumeFrom>::read(std::string_view text, ResumeFrom& value) {
    using Kind = ResumeFrom::Kind;
    if (text == "auto") value = {Kind::newest};
    else if (text == "never") value = {Kind::never};
    else value = {Kind::folder, text};
    return !text.empty();
}

std::string SettingType<ResumeFrom>::json(const ResumeFrom& value) {
    switch (value.kind) {
        case ResumeFrom::Kind::newest: return "\"auto\"";
        case ResumeFrom::Kind::never: return "\"never\"";
        case ResumeFrom::Kind::folder: return json_text(value.folder.string());
    }
    return "";
}

}  // namespace tandem
