#include "tools/options/generate_options.h"

#include <fmt/core.h>

namespace tandem {

void declare(OptionSet& set, GenerateOptions& o) {
    declare(set, static_cast<ModelRecipe&>(o));
    set.group("Generation");
    set.add("adapter", o.adapter, "a PEFT adapter on top of the model");
    set.add("prompt", o.prompt, "the text to go on with");
    set.add("chat", o.chat, "one user turn, put through the chat template, whose end token ends the answer");
    set.add("prompt_ids", o.prompt_ids, "the token ids to go on with");
    set.add("temperature", o.temperature, "0 is greedy", {.min = 0});
    set.add("max_new_tokens", o.max_new_tokens, "where to stop at the latest", {.min = 1, .max = 1 << 24});
    set.add("ignore_eos", o.ignore_eos, "go on after the end token");
    set.add("seed", o.seed, "of the sampling", {.min = 0});
    set.add("json", o.json, "print {\"ids\": [new tokens], \"text\": …}");
}

std::vector<Conflict> validate(const GenerateOptions& o, const OptionSet& set) {
    std::vector<Conflict> all = conflicts(static_cast<const ModelRecipe&>(o), set);
    if (o.prompt.has_value() + o.chat.has_value() + o.prompt_ids.has_value() != 1)
        all.push_back({{"prompt", "chat", "prompt_ids"}, "give one of --prompt, --chat and --prompt-ids"});
    if (o.prompt_ids && o.prompt_ids->empty()) all.push_back({{"prompt_ids"}, "--prompt-ids names no token"});
    for (std::int64_t id : o.prompt_ids.value_or(std::vector<std::int64_t>{}))
        if (id < 0) all.push_back({{"prompt_ids"}, fmt::format("--prompt-ids expected ids >= 0, got {}", id)});
    if (o.batch_size != 1)
        all.push_back(
            {{"batch_size"}, fmt::format("--batch-size expected 1, for one prompt, got {}", o.batch_size)});
    return all;
}

}  // namespace tandem
