// The options of `plan`: those of `train`, of which no data and no card needs to be there.
#pragma once
#include "tools/options/train_options.h"

namespace tandem {

struct PlanOptions : TrainOptions {
    PlanOptions() {
        dataset.clear();
        plan = true;
    }

    bool json = false;
};

void declare(OptionSet& set, PlanOptions& options);
std::vector<Conflict> validate(const PlanOptions& options, const OptionSet& set);

}  // namespace tandem
