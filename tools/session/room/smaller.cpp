#include "tools/session/room/smaller.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/io/json_fields.h"
#include "runtime/joined.h"

namespace tandem {

namespace {

constexpr std::int64_t shortest_context = 16;

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
Changes weights_on_device(const ModelRecipe& o) {
    if (o.weights_on != WeightsOn::mirror) return {};
    return {[](ModelRecipe& m) { m.weights_on = WeightsOn::device; }};
}

Changes one_cpu_rank(const ModelRecipe& o) {
    if (!on_cpu(o) || o.gpus.world_size() == 1) return {};
    return {[](ModelRecipe& m) {
        m.gpus = Placement::cpu(1);
        if (m.weights_on == WeightsOn::mirror) m.weights_on = WeightsOn::device;  // a single rank has no other
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

// Divisors of the batch: training makes up for them with more accumulation.
std::vector<std::int64_t> smaller_batches(const ModelRecipe& o) {
    std::vector<std::int64_t> all;
    for (std::int64_t batch = o.batch_size / 2; batch > 0; batch--)
        if (o.batch_size % batch == 0) all.push_back(batch);
    return all;
}

}  // namespace

Changes smaller_generation(const ModelRecipe& o, std::int64_t prompt, std::int64_t answer) {
    Changes all = weights_on_device(o);
    if (prompt + answer < o.context_length)
        all.push_back([=](ModelRecipe& m) { m.context_length = prompt + answer; });
    add(all, one_cpu_rank(o));
    add(all, base_in_4_bits(o));
    add(all, shorter_contexts(std::min(o.context_length, prompt + answer), prompt));  // the answer is cut
    return all;
}

Changes smaller_evaluation(const ModelRecipe& o) {
    Changes all = weights_on_device(o);
    add(all, one_cpu_rank(o));
    for (std::int64_t batch : smaller_batches(o)) all.push_back([batch](ModelRecipe& m) { m.batch_size = batch; });
    add(all, base_in_4_bits(o));
    return all;
}

// What changes no bits of a run.
std::vector<Change<Recipe>> smaller_resumed_training(const Recipe& o) {
    std::vector<Change<Recipe>> all;
    add(all, weights_on_device(o));
    if (o.gpus.world_size() > 1 && o.sharding_strategy != Strategy::full_shard)
        all.push_back([](Recipe& t) { t.sharding_strategy = Strategy::full_shard; });
    if (!o.use_gradient_checkpointing) all.push_back([](Recipe& t) { t.use_gradient_checkpointing = true; });
    if (o.prefetch > 0) all.push_back([](Recipe& t) { t.prefetch = 0; });
    return all;
}

std::vector<Change<Recipe>> smaller_training(const Recipe& o, std::int64_t longest) {
    std::vector<Change<Recipe>> all = smaller_resumed_training(o);
    for (const Change<ModelRecipe>& one : one_cpu_rank(o))
        all.push_back([one](Recipe& t) {
            t.gradient_accumulation_steps *= t.gpus.world_size();
            one(t);
        });
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
