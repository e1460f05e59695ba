#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/demo.h"
#include "tools/inference.h"
#include "tools/options/generate_options.h"

namespace tandem {

namespace {

std::vector<std::int32_t> prompt_of(const GenerateOptions& o, const Model& model) {
    if (o.prompt_ids) return {o.prompt_ids->begin(), o.prompt_ids->end()};
    const TextTools* text = model.text_tools();
    if (!text) throw InputError(fmt::format("{} has no tokenizer.json; give --prompt-ids", model.name));
    if (o.prompt) return text->tokenizer->encode(*o.prompt, SpecialTokens::add).ids;
    if (!text->chat) throw InputError(text->no_chat);
    return encode_prompt(*text, *o.chat);
}

}  // namespace

int generate(CommandLine& line) {
    GenerateOptions o;
    OptionSet set("generate", "Text from a model.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    Model model = open_model(o, o.chat_template);
    std::optional<Adapter> adapter;
    if (o.adapter) adapter = Adapter::open(*o.adapter);
    std::vector<std::int32_t> prompt = prompt_of(o, model), answer;
    GenerateSettings settings{o.max_new_tokens, o.temperature, std::uint64_t(o.seed),
                              o.ignore_eos ? std::vector<int>() : model.eos_ids()};
    auto generator = [&](InferenceRank& r) { return Generator(r.rank.context(), r.llama, r.store, o.context_length); };
    run_inference(
        o, model, adapter ? &*adapter : nullptr, [&](InferenceRank& r) { generator(r).plan(); },
        [&](InferenceRank& r) {
            Generator g = generator(r);
            std::vector<std::int32_t> ids = g.run(prompt, settings);
            if (r.rank.context().rank() == 0) answer = std::move(ids);
        });
    std::string text = model.tokenizer ? model.tokenizer->decode(answer, DecodeSpecial::skip) : "";
    if (o.json) fmt::print("{}\n", Json(Json::Object{{"ids", Json(answer)}, {"text", text}}).text());
    else if (model.tokenizer) fmt::print("{}\n", text);
    else fmt::print("{}\n", fmt::join(answer, " "));
    return 0;
}

}  // namespace tandem
