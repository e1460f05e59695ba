// From a data set to what each rank computes in each step.
#pragma once
#include "models/text/dataset/rows.h"
#include "models/text/dataset/sample_order.h"
#include "models/train/trainer.h"

namespace tandem {

class Feed {
  public:
    struct Options {
        BatchShape shape;
        Packing packing = Packing::no;
        std::int64_t context_length = 512;
        std::uint64_t seed = 42;
        Shuffle shuffle = Shuffle::yes;
    };
    Feed(const Dataset& data, const Options& options);

    const StepSchedule& steps() const { return steps_; }
    // What `rank` computes in the step that follows `done` others; any order of calls.
    StepInput step(std::int64_t done, int rank);
    std::int64_t tokens(std::int64_t done);  // of the whole step
    double epoch(std::int64_t done) const;   // how much of the data was seen, in epochs

    // Once through the data in its own order, for evaluation: this rank's batches, as many on every rank.
    std::vector<HostBatch> once(int rank) const;
    // A batch as large as any, of zeros; for planning.
    HostBatch largest() const;
    std::int64_t supervised() const;  // targets of the whole data set

  private:
    StepSamples samples(std::int64_t done);
    void add_row(HostBatch& batch, std::int64_t row) const;

    const Dataset& data_;
    Options options_;
    Rows rows_;
    StepSchedule steps_;
    std::optional<SampleOrder> order_;
    std::int64_t order_epoch_ = -1;
};

}  // namespace tandem
