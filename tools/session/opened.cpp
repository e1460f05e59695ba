#include "tools/session/opened.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/train/check_weights.h"
#include "runtime/joined.h"
#include "tools/session/settings/recipe_settings.h"

namespace tandem {

namespace {

Dataset open_data(const std::string& file, const Recipe& recipe, const Model& model,
                  std::optional<std::int64_t> samples) {
    return read_dataset(file, model.text_tools(),
                        {recipe.context_length, model.config.vocab, recipe.truncate, samples});
}

// Which layers' is the adapter's own matter.
Projections adapted_projections(const Adapter& adapter) {
    std::vector<std::string> names;
    for (const std::string& name : projection_names())
        if (std::ranges::any_of(adapter.modules(),
                                [&](const AdapterModule& m) { return m.path.ends_with("." + name); }))
            names.push_back(name);
    return Projections::of(std::move(names));
}

// An initial adapter's own settings are the defaults, and nothing may contradict them.
AdapterConfig settle_adapter(Recipe& recipe, const Settings& settings, const Adapter& adapter) {
    AdapterConfig init = adapter.config();
    std::vector<std::string> contradictions;
    auto agree = [&](const char* name, auto& mine, const auto& theirs) {
        if (settings.given(name) && mine != theirs) contradictions.push_back(setting(name));
        mine = theirs;
    };
    agree("lora_rank", recipe.lora_rank, std::int64_t(init.lora.rank));
    agree("lora_alpha", recipe.lora_alpha, init.lora.alpha);
    agree("use_rslora", recipe.use_rslora, init.lora.rslora);
    agree("lora_target_modules", recipe.lora_target_modules, adapted_projections(adapter));
    if (!contradictions.empty())
        throw InputError(fmt::format("{} {} the adapter in {}; leave it out or start without {}",
                                     joined(contradictions),
                                     contradictions.size() == 1 ? "contradicts" : "contradict",
                                     recipe.init_adapter->string(), setting("init_adapter")));
    init.lora.dropout = recipe.lora_dropout;
    init.base_model = recipe.model;
    return init;
}

}  // namespace

Params make_recipe_params(const Recipe& recipe, const Opened& opened) {
    ParamSetup setup;
    setup.compute = compute_type(recipe.precision);
    setup.quant = base_quant(opened.model, recipe);
    setup.train_base = !trains_adapter(recipe);
    if (setup.train_base && setup.quant)
        throw InputError(fmt::format("{} is quantized; {} full needs a dense checkpoint", opened.model.name,
                                     setting("train_type")));
    if (trains_adapter(recipe)) {
        setup.lora = opened.adapter.lora;
        setup.lora->rank = int(recipe.lora_rank);
    }
    if (opened.init_adapter) setup.lora->modules = lora_spec(*opened.init_adapter).modules;
    return make_params(opened.model.config, setup);
}

namespace {

void check_context(const Recipe& recipe, const Opened& opened) {
    check_window(opened.model, opened.data.largest().length, "a sample");
    if (opened.eval_data) check_window(opened.model, opened.eval_data->largest().length, "an evaluation sample");
    const std::int64_t answered = std::int64_t(opened.sample_prompt.size()) + sample_answer_tokens;
    if (recipe.sample_prompt)
        check_window(opened.model, std::min(recipe.context_length, answered), "the sample prompt with its answer");
}

std::vector<std::int32_t> prompt_ids(const std::string& prompt, Opened& opened) {
    const TextTools* text = opened.model.text_tools();
    if (!text)
        throw InputError(
            fmt::format("{} needs a tokenizer, and {} has none", setting("sample_prompt"), opened.model.name));
    if (!text->chat)
        opened.notes.push_back(setting("sample_prompt") + " is taken as plain text: " + text->no_chat);
    return encode_prompt(*text, prompt);
}

void open_adapter(Recipe& recipe, const Settings& settings, Opened& opened) {
    if (!trains_adapter(recipe)) return;
    if (!recipe.init_adapter) {
        const LoraSpec lora{int(recipe.lora_rank), recipe.lora_alpha, recipe.lora_dropout, recipe.use_rslora,
                            recipe.lora_target_modules.names};
        opened.adapter = {lora, false, recipe.model};
        return;
    }
    opened.init_adapter = Adapter::open(*recipe.init_adapter);
    if (std::string note = note_of(*opened.init_adapter); !note.empty()) opened.notes.push_back("[Adapter] " + note);
    opened.adapter = settle_adapter(recipe, settings, *opened.init_adapter);
}

}  // namespace

WeightSource Opened::weights(std::uint64_t seed) const {
    return {model.weights ? &*model.weights : nullptr, init_adapter ? &*init_adapter : nullptr, seed};
}

Opened open_recipe(Recipe& recipe, const Settings& settings, const MakeData& data, Devices devices) {
    recipe.gpus = recipe.gpus.resolved();
    settings.check([&] { return conflicts(recipe, settings, devices); });
    apply_offload(recipe);
    Opened o;
    o.model = open_model(recipe);
    for (const std::string& note : o.model.notes) o.notes.push_back("[Model] " + note);
    open_adapter(recipe, settings, o);
    o.params = make_recipe_params(recipe, o);
    if (o.model.weights) check_weights(o.model.config, o.params, *o.model.weights);
    if (o.init_adapter) check_adapter(o.params, *o.init_adapter);
    o.data = data ? data(o.model) : open_data(recipe.dataset, recipe, o.model, recipe.dataset_samples);
    if (recipe.eval_dataset) o.eval_data = open_data(*recipe.eval_dataset, recipe, o.model, std::nullopt);
    if (recipe.sample_prompt) o.sample_prompt = prompt_ids(*recipe.sample_prompt, o);
    check_context(recipe, o);
    return o;
}

Feed::Options feed_options(const Recipe& r) {
    return {{r.gpus.world_size(), r.batch_size, r.gradient_accumulation_steps},
            r.packing ? Packing::yes : Packing::no,
            r.context_length,
            std::uint64_t(r.seed),
            r.shuffle ? Shuffle::yes : Shuffle::no};
}

bool trains_adapter(const Recipe& recipe) { return recipe.train_type != TrainType::full; }

}  // namespace tandem
