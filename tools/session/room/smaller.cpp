#include "tools/session/room/smaller.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/io/json_fields.h"
#include "runtime/joined.h"

namespace tandem {

namespace {

constexpr std::int64_t shortest_context = 16, lowest_rank = 8;

bool on_cpu(const ModelRecipe& o) { return !o.gpus.is_on_cards(); }

std::string text_of(const Json& value) {
    if (value.is_array()) {
        std::vector<std::string> items;
        for (const Json& item : value.array()) items.push_back(text_of(item));
        return joined(items, ",");
    }
    return value.is_string() ? value.string() : value.text();
}

template <class T> void add(std::vector<T>& all, const Changes& more) {
    all.insert(all.end(), more.begin(), more.end());
}

// Each of these is empty where it would change nothing.
void put_weights_on_host(ModelRecipe& m) { m.weights_on = WeightsOn::host; }

// Each empties one memory into the other. A mirror takes as much of a device as no mirror does.
Changes weights_elsewhere(const ModelRecipe& o) {
    if (lies_on_host(o.weights_on)) return {[](ModelRecipe& m) { m.weights_on = WeightsOn::device; }};
    return {put_weights_on_host};
}

Changes weights_off_device(const Recipe& o) {
    if (o.sharding_strategy != Strategy::ddp || lies_on_host(o.weights_on)) return weights_elsewhere(o);
    return {};
}

void put_activations_on_host(Recipe& t) { t.activations_on = ActivationsOn::host; }

std::vector<Change<Recipe>> activations_on_host(const Recipe& o) {
    if (on_cpu(o) || o.activations_on == ActivationsOn::host || !o.use_gradient_checkpointing) return {};
    return {put_activations_on_host};
}

Changes one_cpu_rank(const ModelRecipe& o) {
    if (!on_cpu(o) || o.gpus.world_size() == 1) return {};
    return {[](ModelRecipe& m) {
        m.gpus = Placement::cpu(1);
        if (m.weights_on == WeightsOn::mirror) m.weights_on = WeightsOn::host;  // a single rank mirrors nothing
    }};
}

Changes base_in_4_bits(const ModelRecipe& o) {
    if (quantizes(o.train_type)) return {};
    return {[](ModelRecipe& m) { m.train_type = TrainType::qlora; }};
}

// Halves of `longest`, as long as they are longer than `above`.
Changes shorter_contexts(std::int64_t longest, std::int64_t above) {
    Changes all;
    for (std::int64_t length = longest / 2; length > above; length /= 2)
        all.push_back([length](ModelRecipe& m) { m.context_length = length; });
    return all;
}

// Halves of the adapter's rank.
std::vector<Change<Recipe>> lower_ranks(const Recipe& o) {
    std::vector<Change<Recipe>> all;
    if (o.train_type == TrainType::full || o.init_adapter) return all;
    for (std::int64_t rank = o.lora_rank / 2; rank >= lowest_rank; rank /= 2)
        all.push_back([rank](Recipe& t) { t.lora_rank = rank; });
    return all;
}

// Divisors of the batch: training makes up for them with more accumulation.
std::vector<std::int64_t> smaller_batches(const ModelRecipe& o) {
    std::vector<std::int64_t> all;
    for (std::int64_t batch = o.batch_size / 2; batch > 0; batch--)
        if (o.batch_size % batch == 0) all.push_back(batch);
    return all;
}

}  // namespace

Changes smaller_generation(const ModelRecipe& o, std::int64_t prompt, std::int64_t answer) {
    Changes all = weights_elsewhere(o);
    if (prompt + answer < o.context_length)
        all.push_back([=](ModelRecipe& m) { m.context_length = prompt + answer; });
    add(all, one_cpu_rank(o));
    add(all, base_in_4_bits(o));
    add(all, shorter_contexts(std::min(o.context_length, prompt + answer), prompt));  // the answer is cut
    return all;
}

Changes smaller_evaluation(const ModelRecipe& o) {
    Changes all = weights_elsewhere(o);
    add(all, one_cpu_rank(o));
    for (std::int64_t batch : smaller_batches(o)) all.push_back([batch](ModelRecipe& m) { m.batch_size = batch; });
    add(all, base_in_4_bits(o));
    return all;
}

// What changes no bits of a run.
std::vector<Change<Recipe>> smaller_resumed_training(const Recipe& o) {
    std::vector<Change<Recipe>> all = activations_on_host(o);
    add(all, weights_off_device(o));
    if (o.gpus.world_size() > 1 && o.sharding_strategy != Strategy::full_shard)
        all.push_back([](Recipe& t) { t.sharding_strategy = Strategy::full_shard; });
    if (!o.use_gradient_checkpointing) all.push_back([](Recipe& t) { t.use_gradient_checkpointing = true; });
    if (o.prefetch > 0) all.push_back([](Recipe& t) { t.prefetch = 0; });
    return all;
}

Changes open_places(const ModelRecipe& o) {
    if (o.weights_on != WeightsOn::automatic) return {};
    return {put_weights_on_host};
}

std::vector<Change<Recipe>> open_places(const Recipe& o) {
    std::vector<Change<Recipe>> all;
    if (o.activations_on == ActivationsOn::automatic) all = activations_on_host(o);
    if (o.sharding_strategy != Strategy::ddp) add(all, open_places(static_cast<const ModelRecipe&>(o)));
    return all;
}

void close_places(ModelRecipe& o) {
    if (o.weights_on == WeightsOn::automatic) o.weights_on = WeightsOn::device;
}

void close_places(Recipe& o) {
    close_places(static_cast<ModelRecipe&>(o));
    if (o.activations_on == ActivationsOn::automatic) o.activations_on = ActivationsOn::device;
}

std::vector<Change<Recipe>> smaller_training(const Recipe& o, std::int64_t longest) {
    std::vector<Change<Recipe>> all = smaller_resumed_training(o);
    for (const Change<ModelRecipe>& one : one_cpu_rank(o))
        all.push_back([one](Recipe& t) {
            t.gradient_accumulation_steps *= t.gpus.world_size();
            one(t);
        });
    for (const Change<Recipe>& lower : lower_ranks(o)) all.push_back(lower);
    for (std::int64_t batch : smaller_batches(o))
        all.push_back([batch](Recipe& t) {
            t.gradient_accumulation_steps = t.gradient_accumulation_steps * t.batch_size / batch;
            t.batch_size = batch;
        });
    for (const Change<ModelRecipe>& shorter : shorter_contexts(longest, shortest_context))
        all.push_back([shorter](Recipe& t) {
            shorter(t);
            t.truncate = true;
        });
    return all;
}

std::optional<Dataset> cut_samples(const Dataset& data, std::int64_t tokens) {
    Dataset cut;
    for (std::int64_t i = 0; i < data.size(); i++) {
        const std::size_t length = std::size_t(std::min(data.length(i), tokens));
        const SampleView sample{data[i].ids.first(length), data[i].labels.first(length)};
        if (count_supervised(sample.labels) == 0) return std::nullopt;
        cut.append(sample);
    }
    return cut;
}

std::string settings_between(const std::string& was, const std::string& now) {
    const Json before = parse_json(was, "options"), after = parse_json(now, "options");
    std::string text;
    for (const auto& [name, value] : after.object())
        if (before.at(name) != value)
            text += fmt::format("{}{} {}", text.empty() ? "" : " ", setting(name), text_of(value));
    return text;
}

}  // namespace tandem
