#include "tools/options/train_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "models/llama/params.h"

namespace tandem {
namespace {

// Words for several of the projections, instead of their names.
std::optional<std::vector<std::string>> named_set(const std::vector<std::string>& modules) {
    if (modules == std::vector<std::string>{"all"}) return projection_names();
    if (modules == std::vector<std::string>{"default"}) return std::vector<std::string>{"q_proj", "v_proj"};
    return std::nullopt;
}

void declare_data(OptionSet& set, TrainOptions& o) {
    set.group("Data");
    set.add("dataset", o.dataset, "a JSON or JSONL file or pipe, or demo", Resumed::by_content);
    set.add("dataset_samples", o.dataset_samples, "how many of its samples, all if not given", {.min = 1},
            Resumed::by_content);
    set.add("shuffle", o.shuffle, "another order in every epoch, by seed and epoch");
    set.add("packing", o.packing, "fill rows of the context length with several samples that do not see each other");
    set.add("truncate", o.truncate, "cut samples longer than the context; without it they are an error",
            Resumed::by_content);
    set.add("chat_template", o.chat_template, "the name of a chat template, instead of the checkpoint's own",
            Resumed::by_content);
}

void declare_lora(OptionSet& set, TrainOptions& o) {
    set.group("LoRA");
    set.add("lora_rank", o.lora_rank, "rank of the adapters", {.min = 1, .max = 1 << 16});
    set.add("lora_alpha", o.lora_alpha, "their scale is alpha / rank", {.above = 0});
    set.add("lora_dropout", o.lora_dropout, "dropout before the adapters", {.min = 0, .below = 1});
    set.add("lora_target_modules", o.lora_target_modules,
            "all (seven), default (q_proj,v_proj), or names of projections", Resumed::by_content);
    set.add("use_rslora", o.use_rslora, "scale by alpha / sqrt(rank)");
    set.add("init_adapter", o.init_adapter, "start from this PEFT adapter, with its rank, alpha, targets and layers",
            Resumed::by_content);
}

void declare_optimization(OptionSet& set, TrainOptions& o) {
    set.group("Optimization");
    set.add("seed", o.seed, "of every random number", {.min = 0});
    set.add("max_steps", o.max_steps, "optimizer steps; -1 leaves the end to num_epochs", {.min = -1},
            Resumed::or_more);
    set.add("num_epochs", o.num_epochs, "passes over the data", {.min = 1}, Resumed::or_more);
    set.add("gradient_accumulation_steps", o.gradient_accumulation_steps, "micro-batches of a step",
            {.min = 1, .max = 1 << 20});
    set.add("optimizer", o.optimizer, "AdamW has betas 0.9 and 0.95, eps 1e-5");
    set.add("lr", o.lr, "learning rate", {.min = 0});
    set.add("wd", o.wd, "weight decay", {.min = 0});
    set.add("lr_scheduler", o.lr_scheduler, "linear and cosine warm up over a tenth of the steps");
    set.add("apply_gradient_clipping", o.apply_gradient_clipping, "clip the gradient to grad_norm");
    set.add("grad_norm", o.grad_norm, "largest norm of the gradient", {.above = 0});
}

void declare_sharding(OptionSet& set, TrainOptions& o) {
    set.group("Memory and sharding");
    set.add("sharding_strategy", o.sharding_strategy, "what is split between the ranks", Resumed::any);
    set.add("use_gradient_checkpointing", o.use_gradient_checkpointing, "compute each block again in backward",
            Resumed::any);
    set.add("world_size", o.world_size, "number of ranks, as many as --gpus names", {.min = -1}, Resumed::any);
    set.add("transport", o.transport, "how ranks exchange bytes", Resumed::any);
    set.add("prefetch", o.prefetch, "units gathered ahead; 0 for none", {.min = 0, .max = 1024}, Resumed::any);
}

void declare_output(OptionSet& set, TrainOptions& o) {
    set.group("Output");
    set.add("output_dir", o.output_dir, "where metrics, checkpoints and the adapter are written", Resumed::any);
    set.add("save_model", o.save_model, "with --train-type full, write the model; adapters are always written",
            Resumed::any);
    set.add("resume", o.resume,
            "auto, from the newest valid checkpoint of output_dir; never; or a checkpoint's folder", Resumed::any);
    set.add("checkpoint_every", o.checkpoint_every, "steps between checkpoints; 0 for the last alone", {.min = 0},
            Resumed::any);
    set.add("keep", o.keep, "how many checkpoints stay", {.min = 1}, Resumed::any);
    set.add("eval_dataset", o.eval_dataset, "held-back samples for the evaluation loss", Resumed::any);
    set.add("eval_every", o.eval_every, "steps between evaluations; 0 for the end of each epoch", {.min = 0},
            Resumed::any);
    set.add("sample_prompt", o.sample_prompt, "a prompt to answer before and after training", Resumed::any);
    set.add("log_to", o.log_to, "a progress bar on a terminal, or a line for each step", Resumed::any);
    set.add("trace", o.trace, "write trace.json for chrome://tracing", Resumed::any);
}

}  // namespace

void declare(OptionSet& set, TrainOptions& o) {
    declare(set, static_cast<ModelOptions&>(o));
    declare_data(set, o);
    declare_lora(set, o);
    declare_optimization(set, o);
    declare_sharding(set, o);
    declare_output(set, o);
}

std::vector<OptionConflict> validate(const TrainOptions& o, const OptionSet& set) {
    std::vector<OptionConflict> conflicts = validate(static_cast<const ModelOptions&>(o), set);
    auto conflict = [&](std::vector<std::string> options, std::string sentence) {
        conflicts.push_back({std::move(options), std::move(sentence)});
    };
    if (o.train_type == TrainType::full)
        for (const char* name :
             {"lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora", "init_adapter"})
            if (set.given(name))
                conflict({"train_type", name},
                         fmt::format("{} needs an adapter; --train-type full has none", OptionSet::flag(name)));
    const auto& modules = o.lora_target_modules;
    if (modules.empty()) conflict({"lora_target_modules"}, "--lora-target-modules names no projection");
    for (const std::string& module : named_set(modules).value_or(modules))
        if (std::ranges::count(projection_names(), module) == 0)
            conflict({"lora_target_modules"},
                     fmt::format("--lora-target-modules expected all, default or some of {}, got '{}'",
                                 fmt::join(projection_names(), ","), module));
    if (o.world_size != -1 && o.world_size != std::int64_t(o.gpus.size()))
        conflict({"world_size", "gpus"}, fmt::format("--world-size expected {}, one for each device of --gpus, got {}",
                                                     o.gpus.size(), o.world_size));
    const bool on_cpu = !o.gpus.empty() && o.gpus.front() == "cpu";
    if (on_cpu && (o.transport == TransportKind::peer || o.transport == TransportKind::nccl))
        conflict({"transport", "gpus"}, "--transport peer and nccl are for cards; CPU ranks have host");
    if (!on_cpu && o.transport == TransportKind::host)
        conflict({"transport", "gpus"}, "--transport host is for CPU ranks; cards have peer and nccl");
    if (!on_cpu && o.transport == TransportKind::nccl &&
        std::set<std::string>(o.gpus.begin(), o.gpus.end()).size() < o.gpus.size())
        conflict({"transport", "gpus"}, "--transport nccl refuses two ranks on one card; use peer");
    if (o.weights_on == WeightsOn::mirror && o.sharding_strategy == ShardingStrategy::ddp)
        conflict({"weights_on", "sharding_strategy"},
                 "--weights-on mirror needs sharded weights; ddp holds all of them");
    if (o.max_steps == 0) conflict({"max_steps"}, "--max-steps expected -1 or at least 1, got 0");
    if (set.given("model") && o.model != "demo" && !set.given("dataset"))
        conflict({"model", "dataset"}, "--dataset is missing; give the file of samples to train this model on");
    if (o.resume.empty()) conflict({"resume"}, "--resume expected auto, never or a checkpoint's folder, got ''");
    if (set.given("eval_every") && !o.eval_dataset)
        conflict({"eval_every", "eval_dataset"}, "--eval-every needs --eval-dataset");
    return conflicts;
}

std::vector<std::string> target_modules(const TrainOptions& o) {
    std::vector<std::string> modules = named_set(o.lora_target_modules).value_or(o.lora_target_modules);
    std::ranges::sort(modules);
    modules.erase(std::unique(modules.begin(), modules.end()), modules.end());
    return modules;
}

}  // namespace tandem
