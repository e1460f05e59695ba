// An optimizer step of one rank, and what it keeps between steps. On the plan device the same code makes the memory
// plan.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "models/llama/graph.h"
#include "models/train/optimizer_kind.h"
#include "runtime/collective.h"

namespace tandem {

struct TrainSettings {
    OptimizerKind optimizer = OptimizerKind::adamw;
    double weight_decay = 0.1, beta1 = 0.9, beta2 = 0.95, eps = 1e-5;
    std::optional<double> clip;  // gradients are scaled down to this norm
    std::uint64_t seed = 42;
    std::int64_t micro_batches = 1;  // of a step
    RowLoss loss = {};  // none: cross-entropy
};

// What this rank computes in a step, and the counts of the whole step over all ranks and micro-batches.
struct StepInput {
    std::vector<HostBatch> micro;  // empty batches too: every rank runs every micro-batch
    std::int64_t supervised = 0;
};

struct StepResult {
    double loss = 0;       // of the whole step, before the update
    double grad_norm = 0;  // before clipping
    std::string bad;  // not empty: loss or gradients were not finite, and no weight was changed; what was bad first
};

// The optimizer's state of one unit's range; empty tensors where the optimizer keeps none.
struct UnitState {
    int unit;
    TrainableRange range;
    Tensor m, v;
};

class Trainer {
  public:
    Trainer(Context& ctx, LayerStore& store, Collective& ranks, const Llama& model, const TrainSettings& settings);

    StepResult step(const StepInput& input, double lr);
    // Runs each phase of a step once, for the memory plan.
    void plan(const StepInput& input);

    // Steps that changed the weights; AdamW's bias correction and random numbers follow it.
    std::int64_t updates() const { return updates_; }
    std::int64_t steps() const { return steps_; }            // all of them, skipped ones too
    void restore(std::int64_t steps, std::int64_t updates);  // after the states' bytes were put back
    std::vector<UnitState>& states() { return states_; }

  private:
    void run_micro_batches(const StepInput& input);
    void gradient_squares();
    std::vector<double> numbers();
    void update(double lr, double gradient_scale);
    Tensor number(std::int64_t i) const { return numbers_.slice(i, i + 1); }
    void drop_gradients();
    std::string first_bad(const StepInput& input, double loss, const std::vector<double>& squares);

    Context& ctx_;
    LayerStore& store_;
    Collective& ranks_;
    const Llama& model_;
    TrainSettings settings_;
    std::vector<int> schedule_;
    std::vector<UnitState> states_;
    Tensor numbers_;  // f64 [micro_batches + states]: losses, then each unit's sum of squared gradients
    std::int64_t steps_ = 0, updates_ = 0;
};

}  // namespace tandem
