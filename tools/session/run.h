// A fine-tuning in an output folder: what is there is checked before anything runs, metrics and checkpoints are written
// as it goes, and the same run begun again goes on where the last checkpoint ended.
#pragma once
#include "tools/session/fine_tune.h"
#include "tools/session/folder/output_lock.h"
#include "tools/session/folder/run_folder.h"

namespace tandem {

// Is told what happens, by the thread that calls Run.
class RunEvents {
  public:
    virtual ~RunEvents() = default;
    virtual void line(const std::string& text) = 0;
    virtual void step(const StepMetrics& step, std::int64_t total_steps) = 0;
    virtual void evaluation(std::int64_t step, double loss) = 0;
};

enum class Resumption {
    fresh,
    resumed,
    to_compare,  // nothing is left to do if the model, which lies elsewhere now, turns out to hold the same weights
    finished,
};

class Run {
  public:
    // Locks the folder and finds what there is to go on from; changes nothing on disk. An InputError names what is in
    // the way, or the settings and contents that differ from the checkpoint's. `config_file`: what the settings were
    // read from, where it was a file. `tune` and `events` outlive this.
    Run(FineTune& tune, RunEvents& events, std::optional<std::filesystem::path> config_file = std::nullopt);

    Resumption resumption() const { return resumption_; }
    const RunFolder& folder() const { return folder_; }
    // DoesNotFit, or an Error where the disk has no room.
    void require_room(const Room& room);

    // In this order, unless it is finished:
    void make_folder();  // and tries to write where the run will
    // Ranks, weights, the checkpoint; may turn out to be finished.
    void start(Trace* trace = nullptr, const LoadProgress& progress = {});
    enum class Earlier { keep, remove };
    void begin(Earlier earlier = Earlier::keep);  // from here on the folder changes; what an earlier run left there
    void sample(const std::string& when);         // answers sample_prompt, where there is one

    bool is_done() const;  // no step is left, or the disk takes no more metrics
    // One step, with the evaluation and the checkpoint that are due after it. After most_bad_steps in a row without a
    // usable update an Error; the last good state is checkpointed then.
    void step();
    // Checkpoint and result. `stopped`: empty, or by what the run was ended before its time.
    void finish(const std::string& stopped = "");

    const std::vector<std::pair<std::string, std::string>>& answers() const { return answers_; }  // when, what
    const std::optional<std::filesystem::path>& saved() const { return saved_; }                  // the result

  private:
    void find_resumption();
    std::vector<std::string> differences(const Checkpoint& checkpoint) const;
    bool result_stands() const;
    std::vector<RunInput> inputs() const;
    OutputSizes output_sizes();
    void skipped(const FineTune::Step& step);
    void evaluate();
    void checkpoint();
    void save();

    FineTune& tune_;
    RunEvents& events_;
    OutputLock lock_;
    RunFolder folder_;
    Resumption resumption_ = Resumption::fresh;
    std::optional<Checkpoint> from_;
    std::optional<Metrics> metrics_;
    std::uint64_t checkpoint_hash_ = 0;
    std::int64_t last_checkpoint_ = 0, last_evaluation_ = -1;
    std::int64_t bad_in_a_row_ = 0;  // steps after the last update
    std::vector<std::pair<std::string, std::string>> answers_;
    std::optional<std::filesystem::path> saved_;
};

}  // namespace tandem
