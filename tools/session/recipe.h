// What a run is asked to do. Every field is a setting of the same name (tools/session/settings): the command line's
// option --lora-rank, Python's argument lora_rank.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dist/store.h"
#include "models/train/optimizer_kind.h"
#include "models/train/schedule.h"
#include "tools/session/placement.h"

namespace tandem {

enum class TrainType { full, lora, qlora, hqq_lora };  // the last two quantize the frozen weights
constexpr bool quantizes(TrainType t) { return t == TrainType::qlora || t == TrainType::hqq_lora; }
enum class Precision { bf16, fp32 };
enum class QuantType { nf4, fp4, hqq };
enum class Weights { load, random };
enum class WeightsOn { automatic, device, mirror, host };
constexpr bool lies_on_host(WeightsOn w) { return w == WeightsOn::mirror || w == WeightsOn::host; }
enum class ActivationsOn { automatic, device, host };

struct ByteSize {
    std::int64_t bytes = 0;
    bool operator==(const ByteSize&) const = default;
};

// Which model, how its weights are held, and where it runs. Without training, too: those train types that quantize
// do so then, too.
struct ModelRecipe {
    std::string model;  // a folder with config.json, or the name of a known model
    Weights weights = Weights::load;
    TrainType train_type = TrainType::qlora;
    Precision precision = Precision::bf16;
    QuantType quant_type = QuantType::nf4;
    bool double_quant = true;
    std::int64_t n_bits = 4;  // of hqq
    std::optional<std::string> chat_template;  // none: the checkpoint's own
    Placement gpus;
    std::optional<ByteSize> gpu_memory;     // most that a rank takes of a card; none: what is free
    std::optional<ByteSize> host_memory;    // most that the ranks take of the host; none: what is free
    WeightsOn weights_on = WeightsOn::automatic;  // where frozen weights lie that are not on the rank's device
    std::optional<std::int64_t> threads;          // of all CPU ranks; none: every core
    std::int64_t context_length = 512;
    std::int64_t batch_size = 1;  // per rank and micro-batch
};

// The projections of a layer that get an adapter.
struct Projections {
    std::vector<std::string> names;  // sorted, each once
    static Projections all();        // the seven
    static Projections of(std::vector<std::string> names);
    bool operator==(const Projections&) const = default;
};

// Whether a run goes on from a checkpoint.
struct ResumeFrom {
    enum class Kind { newest, never, folder };  // newest: the newest valid one of the run's folder
    Kind kind = Kind::newest;
    std::filesystem::path folder = {};
    bool operator==(const ResumeFrom&) const = default;
};

// A fine-tuning.
struct Recipe : ModelRecipe {
    std::int64_t seed = 42;
    std::string dataset;                          // a JSON or JSONL file or pipe
    std::optional<std::int64_t> dataset_samples;  // none: all
    bool shuffle = true, packing = false, truncate = false;

    std::int64_t lora_rank = 64;
    double lora_alpha = 16, lora_dropout = 0.1;
    Projections lora_target_modules = Projections::all();
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

    Strategy sharding_strategy = Strategy::full_shard;
    bool use_gradient_checkpointing = true;
    ActivationsOn activations_on = ActivationsOn::automatic;  // where block inputs wait for backward
    // fsdp_qlora's words for places: of weights, of activations, of both; true: the host, false: the device.
    std::optional<bool> use_cpu_offload, use_activation_cpu_offload, low_memory;
    TransportKind transport = TransportKind::automatic;
    std::int64_t prefetch = 1;  // units ahead

    std::filesystem::path output_dir = "output";
    bool save_model = false;
    ResumeFrom resume;
    std::int64_t checkpoint_every = 0;  // steps; 0: at the end alone
    std::int64_t keep = 2;              // newest checkpoints
    std::optional<std::string> eval_dataset;
    std::int64_t eval_every = 0;  // steps; 0: at the end of each epoch
    std::optional<std::string> sample_prompt;  // answered before and after
    bool trace = false;

    bool answers = false;  // no setting: room for FineTune::answer, which sample_prompt has anyway
};

}  // namespace tandem
