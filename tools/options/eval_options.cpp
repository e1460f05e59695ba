#include "tools/options/eval_options.h"

namespace tandem {

void declare(OptionSet& set, EvalOptions& o) {
    declare(set, static_cast<ModelRecipe&>(o));
    set.group("Evaluation");
    set.add("adapter", o.adapter, "a PEFT adapter on top of the model");
    set.add("dataset", o.dataset, "a JSON or JSONL file or pipe, or demo");
    set.add("dataset_samples", o.dataset_samples, "how many of its samples, all if not given", {.min = 1});
    set.add("truncate", o.truncate, "cut samples longer than the context; without it they are an error");
    set.add("json", o.json, "print {\"loss\", \"perplexity\", \"tokens\"}");
}

std::vector<Conflict> validate(const EvalOptions& o, const OptionSet& set) {
    std::vector<Conflict> all = conflicts(static_cast<const ModelRecipe&>(o), set);
    if (o.model != "demo" && !set.given("dataset"))
        all.push_back({{"model", "dataset"}, "--dataset is missing; give the file of samples to evaluate"});
    return all;
}

}  // namespace tandem
