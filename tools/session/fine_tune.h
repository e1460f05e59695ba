// A fine-tuning, step by step. Its ranks are threads that live from start() on; all calls come from one thread, and a
// failure of a rank ends the whole.
//   FineTune tune(recipe);
//   tune.start();
//   while (tune.steps() < tune.total_steps()) tune.step();
//   tune.save("adapter");
#pragma once
#include <memory>

#include "dist/ranks.h"
#include "tools/session/folder/metrics.h"
#include "tools/session/train_plan.h"

namespace tandem {

class FineTune {
  public:
    // Opens the model and the data. InputErrors say everything that can be wrong with them.
    explicit FineTune(const Recipe& recipe, const MakeData& data = {});
    // `settings`: over `recipe`, which is settled (open_recipe); both outlive this.
    FineTune(Recipe& recipe, const Settings& settings, const MakeData& data = {});
    ~FineTune();

    const Recipe& recipe() const { return recipe_; }
    const Settings& settings() const { return settings_; }
    const Opened& opened() const { return opened_; }
    const Feed& feed() const { return feed_; }
    std::int64_t total_steps() const { return total_steps_; }
    const RunContent& content() const { return content_; }  // what a checkpoint is compared by
    std::uint64_t model_files() const { return model_files_; }  // as Manifest::model_files

    // In the place of cross-entropy, in training alone. Before plan() and start().
    void use_loss(RowLoss loss) { loss_ = std::move(loss); }

    // What it takes. Planned at the first call.
    const TrainPlan& plan();
    // Settles the places that the recipe leaves open: the first that fit. Says, as settings, which are off the device.
    std::string settle_places(const Room& room);
    void require_room(const Room& room, Begin begin);  // throws DoesNotFit, with a change that fits

    // Starts the ranks and loads the weights, after require_room() where that was not called. `trace`: may be null;
    // outlives this.
    void start(Trace* trace = nullptr, const LoadProgress& progress = {});

    // From here on after start().
    void restore(const Checkpoint& checkpoint);  // an InputError if it was made from another model
    struct Step : StepMetrics {
        std::string bad;  // not empty: what was not finite; no weight was changed
    };
    Step step(std::optional<double> lr = std::nullopt);   // none: as the recipe's schedule has it
    std::int64_t steps() const { return done_; }          // skipped ones too
    std::int64_t applied() const { return applied_; }     // the step of the last update: what the weights are of
    std::int64_t updates() const { return updates_; }
    double evaluate();                                    // mean loss of the evaluation data
    // NotFinite if the logits are not.
    Answer answer(std::span<const std::int32_t> prompt, const GenerateSettings& settings);
    // Of the last update, into root/step-NNNNNN; the newest `keep` stay. `lines`: Manifest::lines. Returns its hash.
    std::uint64_t checkpoint(const std::filesystem::path& root, std::int64_t keep,
                             const std::vector<std::string>& lines = {});
    void save(const std::filesystem::path& folder);       // the adapter (PEFT) or the model (Hugging Face)
    void save(const Result& result);
    std::vector<Ledger> memory_seen();                    // by rank
    const std::string& kernels() const { return kernels_; }  // what the last bits depend on

    // `body` on every rank, with what it has.
    void run(const std::function<void(RankTrainer&)>& body);

  private:
    struct Own;  // a recipe and its settings
    FineTune(std::unique_ptr<Own> own, const MakeData& data);
    RankSetup setup() const;

    std::unique_ptr<Own> own_;
    Recipe& recipe_;
    const Settings& settings_;
    Opened opened_;
    Feed feed_;
    std::int64_t total_steps_;
    RunContent content_;
    std::uint64_t model_files_;
    bool room_checked_ = false;
    RowLoss loss_;
    std::optional<TrainPlan> plan_;
    std::unique_ptr<HostWeights> host_weights_;
    std::optional<RankSetup> setup_;
    std::unique_ptr<Ranks> ranks_;
    std::optional<PerRank<RankTrainer>> trainers_;
    std::uint64_t base_hash_ = 0;
    std::string kernels_;
    std::int64_t done_ = 0, applied_ = 0, updates_ = 0;
};

}  // namespace tandem
