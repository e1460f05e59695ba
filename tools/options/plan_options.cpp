#include "tools/options/plan_options.h"

namespace tandem {

void declare(OptionSet& set, PlanOptions& o) {
    declare_run(set, o);
    set.add("json", o.json, "print one JSON object instead of tables", Resumed::any);
}

std::vector<Conflict> validate(const PlanOptions& o, const OptionSet& set) {
    return validate(static_cast<const TrainOptions&>(o), set);
}

}  // namespace tandem
