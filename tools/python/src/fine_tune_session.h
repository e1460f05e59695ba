// A fine-tuning as Python has it: with an output folder all that `Run` does there, without one nothing is written but
// what save() and checkpoint() are told to. Any thread may call, one at a time.
#pragma once
#include "runtime/trace.h"
#include "tools/python/src/arguments.h"
#include "tools/python/src/guarded.h"
#include "tools/session/run.h"

namespace tandem::python {

class FineTuneSession {
  public:
    struct Given {
        Arguments arguments;
        std::optional<std::vector<std::string>> records;  // JSON each; none: the setting `dataset` names a file
        bool answers = true;                              // room for answer()
        RowLoss loss = {};
    };
    // Opens the model and the data and checks them; no weight is loaded before start().
    explicit FineTuneSession(const Given& given);
    ~FineTuneSession();

    const Recipe& recipe() const { return recipe_; }
    std::int64_t total_steps() const;
    std::int64_t steps() const;
    std::vector<std::string> take_notes();  // since the last call: what was decided or happened, a sentence each
    std::vector<std::pair<std::string, std::string>> samples();  // answers to sample_prompt: when, what

    TrainPlan plan();
    // Checks that there is room, starts the ranks, loads the weights and goes on from a checkpoint, where the settings
    // say so. Once; whatever needs it does it.
    void start();

    struct Metrics {
        StepMetrics step{};
        bool skipped = false;  // loss or gradients were not finite; no weight was changed
        std::optional<double> eval_loss = {};
    };
    // None when all steps are done: then the folder holds the result.
    std::optional<Metrics> next();
    void keep(const Metrics& metrics);  // next() gives it once more
    double evaluate();
    std::string answer(const std::string& prompt, const GenerateSettings& settings);
    void save(const std::string& folder);
    std::string checkpoint(const std::string& root, std::int64_t keep);  // returns its folder
    void restore(const std::string& folder);
    void finish();  // the folder's checkpoint and result, of the steps so far
    void close();

  private:
    class Events;
    FineTune& tune() const;
    void check_without_folder() const;
    void start_now();
    void finish_now(const std::string& stopped);
    Metrics step();

    Guard guard_{"fine-tune"};
    Recipe recipe_;
    ArgumentSettings settings_;
    bool in_folder_ = false, started_ = false, finished_ = false;
    std::unique_ptr<Events> events_;
    std::unique_ptr<Trace> trace_;
    std::unique_ptr<FineTune> tune_;  // null: closed
    std::unique_ptr<Run> run_;        // null: no folder
    std::optional<Metrics> kept_;
};

}  // namespace tandem::python
