#include "tools/session/model.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/io/file_kind.h"
#include "models/io/files.h"
#include "models/io/find_model.h"
#include "models/io/hf_config.h"
#include "models/io/stored_weight.h"
#include "models/io/tensor_facts.h"
#include "models/text/template_tokens.h"
#include "models/text/tokenizer_config.h"
#include "runtime/joined.h"
#include "runtime/utf8.h"

namespace tandem {

namespace fs = std::filesystem;

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& folder, std::int64_t model_vocabulary) {
    return std::make_unique<Tokenizer>(Tokenizer::load(folder / "tokenizer.json", model_vocabulary));
}

TextTools text_tools(const fs::path& folder, const Tokenizer& tokenizer,
                     const std::optional<std::string>& chat_template) {
    TokenizerConfig config = read_tokenizer_config(folder);
    TextTools tools{&tokenizer, config.special, {}, {}};
    if (chat_template) {
        tools.chat = ChatTemplate::named(*chat_template);
    } else if (!config.chat_template) {
        tools.no_chat = fmt::format("{} has no chat template; name one with {}", folder.string(),
                                    setting("chat_template"));
        return tools;
    }
    try {
        if (!tools.chat) tools.chat = ChatTemplate::recognise(*config.chat_template);
        require_template_tokens(*tools.chat, tokenizer, tools.special);
    } catch (const InputError& e) {
        tools.no_chat = e.message();  // matters only where it is used
        if (std::string kind = file_kind(config.chat_template.value_or("{")); !tools.chat && !kind.empty())
            tools.no_chat = fmt::format("{}'s chat template: {}", folder.string(), kind);
    }
    return tools;
}

Model open_model(const ModelRecipe& recipe) {
    Model m;
    m.name = recipe.model;
    const ModelAlias* alias = find_alias(recipe.model);
    if (alias && recipe.weights == Weights::random) {
        m.config = alias->shape;
        return m;
    }
    ModelFiles files = find_model(recipe.model);
    m.folder = files.folder;
    m.config = read_hf_config(files.folder);
    if (recipe.weights == Weights::load) {
        m.weights = CheckpointFiles::open(files.weights);
        m.notes = settle_by_tensors(m.config, *m.weights);
    }
    if (is_there(files.folder / "tokenizer.json")) {
        m.tokenizer = open_tokenizer(files.folder, m.config.vocab);
        m.text = text_tools(files.folder, *m.tokenizer, recipe.chat_template);
    }
    return m;
}

std::vector<int> Model::eos_ids() const {
    if (!config.eos_ids.empty() || !tokenizer) return config.eos_ids;
    std::optional<std::int32_t> eos = tokenizer->id_of(text.special.eos);
    return eos ? std::vector<int>{*eos} : std::vector<int>{};
}

std::vector<int> Model::chat_eos_ids() const {
    std::vector<int> ids = eos_ids();
    std::optional<std::int32_t> end = tokenizer->id_of(text.chat_template().end_token(text.special));
    if (end && std::ranges::find(ids, *end) == ids.end()) ids.push_back(*end);
    return ids;
}

DType compute_type(Precision precision) { return precision == Precision::bf16 ? DType::bf16 : DType::f32; }

WeightFormats base_quant(const Model& model, const ModelRecipe& recipe) {
    if (model.weights)
        if (std::map<std::string, QuantSpec> stored = stored_weights(*model.weights); !stored.empty()) return stored;
    if (!quantizes(recipe.train_type)) return {};
    if (recipe.train_type == TrainType::hqq_lora || recipe.quant_type == QuantType::hqq)
        return QuantSpec(Hqq{.bits = int(recipe.n_bits)});
    Block4 spec{.book = recipe.quant_type == QuantType::nf4 ? Block4::Book::nf4 : Block4::Book::fp4,
                .nested = recipe.double_quant};
    return QuantSpec(spec);
}

std::string note_of(const Adapter& adapter) {
    const std::string unused = joined(adapter.unused_targets());
    if (unused.empty()) return "";
    return fmt::format("{} has nothing for the target modules {}; they are left out", adapter.file().string(),
                       excerpt(unused, 400));
}

LoraSpec lora_spec(const Adapter& adapter) {
    if (adapter.config().dora)
        throw InputError("the adapter uses DoRA, which this version does not run; give a LoRA adapter");
    return adapter.spec();
}

void check_window(const Model& model, std::int64_t longest, const char* what) {
    const std::optional<std::int64_t>& window = model.config.sliding_window;
    if (window && longest > *window)
        throw InputError(fmt::format("{} attends over {} tokens only (sliding_window), {} has {}; make it shorter: "
                                     "with {} {}, samples also with {}",
                                     model.name, *window, what, longest, setting("context_length"), *window,
                                     setting("truncate")));
}

std::vector<std::int32_t> encode_prompt(const TextTools& text, const std::string& prompt) {
    if (!text.chat) return text.tokenizer->encode(prompt, SpecialTokens::add).ids;
    Rendered r = text.chat_template().render({{"user", prompt}}, text.special, GenerationPrompt::add);
    return encode_whole(*text.tokenizer, r.text).ids;
}

Llama make_llama(Context& ctx, const LlamaConfig& config, const Params& params, std::int64_t positions) {
    return {config, params, make_rotary(ctx, config, positions)};
}

}  // namespace tandem
