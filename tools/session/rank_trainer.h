// What one rank of a fine-tuning has and does. On the plan device the same code makes the memory plan.
#pragma once
#include <optional>

#include "dist/rank.h"
#include "models/llama/generate.h"
#include "models/train/checkpoint.h"
#include "tools/session/folder/result_record.h"
#include "tools/session/opened.h"

namespace tandem {

// Outlives the ranks.
struct RankSetup {
    const Recipe& recipe;
    const Opened& opened;
    const Params& params;                 // opened's, or of a smaller adapter
    const Dataset& data;                  // opened's, or shorter
    const Dataset* eval_data = nullptr;   // may be null
    HostWeights* host_weights = nullptr;  // null: a plan, or none lies there
    RowLoss loss = {};                    // none: cross-entropy
};

Feed evaluation_feed(const RankSetup& setup);

class RankTrainer {
  public:
    RankTrainer(Rank& rank, const RankSetup& setup);
    RankTrainer(const RankTrainer&) = delete;

    // Runs each phase once, at its largest.
    void plan();

    void check_prompt(std::span<const std::int32_t> prompt) const { generator_->check(prompt); }

    // All of these by every rank, in the same order.
    StepResult step(const StepInput& input, double lr) { return trainer_.step(input, lr); }
    double mean_loss(const std::vector<HostBatch>& batches, std::int64_t supervised);
    Answer answer(std::span<const std::int32_t> prompt, const GenerateSettings& settings);
    void restore(const Checkpoint& checkpoint);
    std::uint64_t checkpoint(const std::filesystem::path& root, const Manifest& manifest, std::int64_t keep);
    void save(const Result& result);  // the adapter or the model

    Rank& rank() { return rank_; }
    LayerStore& store() { return store_; }
    Trainer& trainer() { return trainer_; }

  private:
    const RankSetup& setup_;
    Rank& rank_;
    Context& ctx_;
    LayerStore& store_;
    Llama llama_;
    Trainer trainer_;
    std::optional<Generator> generator_;
};

}  // namespace tandem
