// The options of `train`: fsdp_qlora's, by its names and defaults, and this program's own.
#pragma once
#include <filesystem>

#include "dist/transport.h"
#include "models/train/optimizer_kind.h"
#include "models/train/schedule.h"
#include "tools/options/model_options.h"

namespace tandem {

enum class ShardingStrategy { ddp, shard_grad_op, full_shard };  // by how much is sharded
enum class LogTo { tqdm, stdout_lines };

struct TrainOptions : ModelOptions {
    std::int64_t seed = 42;
    std::int64_t world_size = -1;  // -1: as many as gpus
    std::string dataset = "demo";
    std::optional<std::int64_t> dataset_samples;  // none: all
    bool shuffle = true, packing = false, truncate = false;
    std::optional<std::string> chat_template;  // none: the checkpoint's own

    std::int64_t lora_rank = 64;
    double lora_alpha = 16, lora_dropout = 0.1;
    std::vector<std::string> lora_target_modules{"all"};
    bool use_rslora = false;
    std::optional<std::filesystem::path> init_adapter;

    std::int64_t max_steps = -1;  // -1: num_epochs alone ends the run
    std::int64_t num_epochs = 1;
    std::int64_t gradient_accumulation_steps = 1;
    OptimizerKind optimizer = OptimizerKind::adamw;
    double lr = 1e-5, wd = 0.1;
    LrSchedule lr_scheduler = LrSchedule::constant;
    bool apply_gradient_clipping = false;
    double grad_norm = 0.3;

    ShardingStrategy sharding_strategy = ShardingStrategy::full_shard;
    bool use_gradient_checkpointing = true;
    TransportKind transport = TransportKind::automatic;
    std::int64_t prefetch = 1;  // units ahead

    std::filesystem::path output_dir = "output";
    bool save_model = false;
    std::string resume = "auto";        // auto, never, or a checkpoint's folder
    std::int64_t checkpoint_every = 0;  // steps; 0: at the end alone
    std::int64_t keep = 2;              // newest checkpoints
    std::optional<std::string> eval_dataset;
    std::int64_t eval_every = 0;  // steps; 0: at the end of each epoch
    std::optional<std::string> sample_prompt;
    LogTo log_to = LogTo::tqdm;
    bool trace = false;
};

void declare(OptionSet& set, TrainOptions& options);
std::vector<OptionConflict> validate(const TrainOptions& options, const OptionSet& set);

// The projections that get an adapter, sorted: what lora_target_modules stands for.
std::vector<std::string> target_modules(const TrainOptions& options);

template <> struct OptionNames<ShardingStrategy> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, ShardingStrategy>>({
        {"full_shard", ShardingStrategy::full_shard},
        {"shard_grad_op", ShardingStrategy::shard_grad_op},
        {"ddp", ShardingStrategy::ddp},
    });
};
template <> struct OptionNames<OptimizerKind> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, OptimizerKind>>(
        {{"adamw", OptimizerKind::adamw}, {"sgd", OptimizerKind::sgd}});
};
template <> struct OptionNames<LrSchedule> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, LrSchedule>>(
        {{"constant", LrSchedule::constant}, {"linear", LrSchedule::linear}, {"cosine", LrSchedule::cosine}});
};
template <> struct OptionNames<LogTo> {
    static constexpr auto names =
        std::to_array<std::pair<std::string_view, LogTo>>({{"tqdm", LogTo::tqdm}, {"stdout", LogTo::stdout_lines}});
};
template <> struct OptionNames<TransportKind> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, TransportKind>>({
        {"auto", TransportKind::automatic},
        {"host", TransportKind::host},
        {"peer", TransportKind::peer},
        {"nccl", TransportKind::nccl},
    });
};

}  // namespace tandem
