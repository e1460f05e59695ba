#include <fmt/core.h>

#include <algorithm>

#include "runtime/joined.h"
#include "tools/commands.h"
#include "tools/demo.h"
#include "tools/log.h"
#include "tools/opening.h"
#include "tools/options/generate_options.h"

namespace tandem {

namespace {

std::vector<std::int32_t> prompt_of(const GenerateOptions& o, const Model& model) {
    if (o.prompt_ids) return {o.prompt_ids->begin(), o.prompt_ids->end()};
    const TextTools* text = model.text_tools();
    if (!text) throw InputError(fmt::format("{} has no tokenizer.json; give --prompt-ids", model.name));
    if (o.prompt) return text->tokenizer->encode(*o.prompt, SpecialTokens::add).ids;
    text->chat_template();  // where there is none, the prompt must not become plain text
    return encode_prompt(*text, *o.chat);
}

std::vector<int> eos_of(const GenerateOptions& o, const Model& model) {
    if (o.ignore_eos) return {};
    return o.chat ? model.chat_eos_ids() : model.eos_ids();
}

void make_generator(ModelRank& r, const ModelRecipe& with) {
    r.generator.emplace(r.context(), r.llama, r.store, with.context_length);
}

}  // namespace

int generate(CommandLine& line) {
    GenerateOptions o;
    OptionSet set("generate", "Text from a model.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    find_demo(o);
    const Model model = open_model(o);
    const std::optional<Adapter> adapter = open_adapter(o.adapter);
    const std::vector<std::int32_t> prompt = prompt_of(o, model);
    check_window(model, std::min(o.context_length, std::int64_t(prompt.size()) + o.max_new_tokens),
                 "the prompt with its answer");
    LoadedModel loaded(o, model, adapter ? &*adapter : nullptr, [](ModelRank& r, const ModelRecipe& with) {
        make_generator(r, with);
        r.generator->plan();
    });
    load_model(loaded, o, model, smaller_generation(o, std::int64_t(prompt.size()), o.max_new_tokens));
    Answer answer;
    const GenerateSettings settings{o.max_new_tokens, o.temperature, std::uint64_t(o.seed), eos_of(o, model)};
    loaded.run([&](ModelRank& r) {
        make_generator(r, o);
        Answer mine = r.generator->run(prompt, settings);
        if (r.context().rank() == 0) answer = std::move(mine);
    });
    const std::string text = model.tokenizer ? model.tokenizer->decode(answer.ids, DecodeSpecial::skip) : "";
    if (o.json) print_line(Json(Json::Object{{"ids", Json(answer.ids)}, {"text", text}}).text());
    else if (model.tokenizer) print_line(text);
    else print_line(joined(answer.ids, " "));
    if (answer.end == AnswerEnd::capacity)
        log_line(fmt::format("tandem: the answer was cut after {} tokens, prompt and answer fill the context of {}; "
                             "raise --context-length",
                             answer.ids.size(), o.context_length));
    return 0;
}

}  // namespace tandem
