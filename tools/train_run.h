// A training run: what all ranks share, and what each does.
#pragma once
#include "dist/launch.h"
#include "models/train/checkpoint.h"
#include "models/train/load_weights.h"
#include "models/train/schedule.h"
#include "models/llama/generate.h"
#include "tools/console.h"
#include "tools/data_feed.h"
#include "tools/machine.h"
#include "tools/metrics.h"
#include "tools/model.h"
#include "tools/options/train_options.h"
#include "tools/result_record.h"
#include "tools/run_outputs.h"

namespace tandem {

inline constexpr std::int64_t sample_answer_tokens = 64;  // most of an answer to --sample-prompt

enum class Resumption {
    fresh,
    resumed,
    to_compare,  // nothing is left to do if the model, which lies elsewhere now, turns out to hold the same weights
    finished,
};

struct TrainRun {
    TrainOptions options;
    bool is_demo = false;
    std::string options_json;  // as resolved
    Model model;
    AdapterConfig adapter;     // of what is trained; not with train_type full
    std::optional<Adapter> init_adapter;
    Params params;
    Dataset data;
    std::optional<Dataset> eval_data;
    RunContent content;
    std::uint64_t model_files = 0;  // as Manifest::model_files
    Resumption resumption = Resumption::fresh;
    std::optional<Checkpoint> resume;
    std::unique_ptr<RunOutputs> outputs;
    std::int64_t total_steps = 0;
    std::vector<std::int32_t> sample_prompt;  // ids; empty: none

    std::vector<MemoryPlan> memory;               // by rank
    std::vector<std::uint64_t> checkpoint_bytes;  // by rank
    RecomputePlan recompute;
    std::unique_ptr<Mirror> mirror;  // may be null
    std::vector<LayerStore*> stores; // by rank; set by each rank, read after a barrier

    // What rank 0 leaves for the report at the end.
    std::vector<std::pair<std::string, std::string>> answers;  // when, what
    std::vector<Console::Peaks> peaks;                         // by rank
    std::optional<std::filesystem::path> saved;

    int world_size() const { return int(options.gpus.size()); }
    bool trains_adapter() const { return options.train_type != TrainType::full; }
    std::int64_t start_step() const { return resume ? resume->manifest.step : 0; }
    DataFeed::Options feed() const;
};

// Runs one step of everything on the plan device, packs each rank's memory and sizes what it will write.
void plan_memory(TrainRun& run, const LaunchOptions& launch);

// What rank `rank` does, from loading to the saved adapter. `console`: rank 0's only.
class TrainRank {
  public:
    TrainRank(TrainRun& run, Rank& rank, Console* console);
    void plan();
    void train();

  private:
    void load();
    void restore();
    void begin_outputs();
    void step(std::int64_t done, DataFeed& feed);
    void check_update(const StepResult& result);
    void after_step(std::int64_t done, const DataFeed& feed);
    bool must_stop();
    void finish(std::int64_t done);
    void evaluate(std::int64_t done);
    void sample(const std::string& when);
    void checkpoint();
    void save();
    void write_result(const Result& result);
    void gather_peaks();
    bool first() const { return console_ != nullptr; }

    TrainRun& run_;
    Rank& rank_;
    Console* console_;
    Context& ctx_;
    LayerStore& store_;
    Llama llama_;
    Trainer trainer_;
    std::optional<Generator> generator_;
    std::optional<Metrics> metrics_;
    std::uint64_t base_hash_ = 0, checkpoint_hash_ = 0;
    std::int64_t applied_ = 0;        // the step of the last update, which is what the weights are of
    std::int64_t bad_in_a_row_ = 0;   // steps after it
    std::int64_t last_checkpoint_ = 0, last_evaluation_ = -1;
};

}  // namespace tandem
