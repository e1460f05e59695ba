#include "tools/options/tokenize_options.h"

namespace tandem {

void declare(OptionSet& set, TokenizeOptions& o) {
    set.group("Tokenization");
    set.add("model, model_name", o.model, "a folder with tokenizer.json, or the name of a known model");
    set.add("text", o.text, "a text to tokenize");
    set.add("lines", o.lines, "a file with a text on each line; prints one JSON array per line");
    set.add("dataset", o.dataset, "a JSON or JSONL file whose samples are shown, supervised tokens in colour");
    set.add("dataset_samples", o.dataset_samples, "how many of its samples, all if not given", {.min = 1});
    set.add("add_special_tokens", o.add_special_tokens, "add what the tokenizer puts around a text (BOS)");
    set.add("chat_template", o.chat_template, "the name of a chat template, instead of the checkpoint's own");
    set.add("json", o.json, "print {\"ids\": […]}");
}

std::vector<Conflict> validate(const TokenizeOptions& o, const OptionSet& set) {
    std::vector<Conflict> conflicts;
    if (o.text.has_value() + o.lines.has_value() + o.dataset.has_value() != 1)
        conflicts.push_back({{"text", "lines", "dataset"}, "give one of --text, --lines and --dataset"});
    for (const char* name : {"dataset_samples", "chat_template"})
        if (set.given(name) && !o.dataset)
            conflicts.push_back({{name, "dataset"}, OptionSet::flag(name) + " needs --dataset"});
    if (set.given("add_special_tokens") && o.dataset)
        conflicts.push_back({{"add_special_tokens", "dataset"}, "--add-special-tokens goes with --text or --lines"});
    return conflicts;
}

}  // namespace tandem
