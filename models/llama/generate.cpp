#include "models/llama/generate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "models/llama/first_bad.h"
#include "runtime/error.h"
#include "runtime/rng.h"

namespace tandem {

namespace {

constexpr RandomSite sampling_site{0, 0xffffffffu};

std::int32_t choose(const std::vector<float>& logits, const GenerateSettings& settings, std::int64_t index) {
    auto highest = std::max_element(logits.begin(), logits.end());
    if (settings.temperature == 0) return std::int32_t(highest - logits.begin());
    double total = 0;
    std::vector<double> weights(logits.size());
    for (std::size_t i = 0; i < logits.size(); i++)
        total += weights[i] = std::exp((double(logits[i]) - double(*highest)) / settings.temperature);
    PhiloxBits bits = random_bits(philox_key(settings.seed, sampling_site), {std::uint32_t(index), 0, 0, 0});
    double left = total * uniform(bits[0]);
    for (std::size_t i = 0; i < weights.size(); i++)
        if ((left -= weights[i]) < 0) return std::int32_t(i);
    return std::int32_t(highest - logits.begin());
}

}  // namespace

Generator::Generator(Context& ctx, const Llama& model, LayerStore& store, std::int64_t capacity)
    : ctx_(ctx),
      model_(model),
      store_(store),
      capacity_(capacity),
      caches_(make_kv_caches(ctx, model.config, capacity)) {}

std::vector<float> Generator::next_logits(std::span<const std::int32_t> tokens, const char* phase) {
    std::int64_t past = caches_.past;
    HostBatch host = HostBatch::continuation(tokens, past);
    std::vector<float> out = next_logits(host, phase);
    if (std::ranges::all_of(out, [](float x) { return std::isfinite(x); })) return out;
    caches_.past = past;
    int unit = first_bad_unit(ctx_, model_, store_, host, &caches_);
    throw NotFinite(fmt::format("the logits after {} tokens are not finite (the first bad output is that of {}); "
                                "compute in fp32, or use another model or adapter",
                                past + std::int64_t(tokens.size()), name_of_output(model_.params, unit)));
}

std::vector<float> Generator::next_logits(const HostBatch& host, const char* phase) {
    RankPhase scope(ctx_.device(), phase);
    std::vector<int> schedule = forward_schedule(model_.params);
    store_.schedule(schedule);
    Batch batch = upload(ctx_, model_.rotary, host);
    Value h = hidden_states(ctx_, model_, store_, batch, &caches_);
    Tensor last = logits(ctx_, model_, store_, h.tensor().slice(h.rows() - 1, h.rows()));
    std::vector<float> out(std::size_t(last.elements()));
    ctx_.download(std::as_writable_bytes(std::span(out)), last);
    return out;
}

void Generator::check(std::span<const std::int32_t> prompt) const {
    if (prompt.empty()) throw InputError("the prompt is empty; give at least one token");
    for (std::int32_t id : prompt)
        if (id < 0 || id >= model_.config.vocab)
            throw InputError(fmt::format("the prompt holds id {}, the vocabulary has {}", id, model_.config.vocab));
    if (std::int64_t(prompt.size()) >= capacity_)
        throw InputError(fmt::format("the prompt has {} tokens and leaves no room for an answer; raise {} above {}",
                                     prompt.size(), setting("context_length"), capacity_));
}

void Generator::begin(std::span<const std::int32_t> prompt, const GenerateSettings& settings) {
    check(prompt);
    caches_.past = 0;
    settings_ = settings;
    unread_.assign(prompt.begin(), prompt.end());
    const std::int64_t free = capacity_ - std::int64_t(prompt.size());
    made_ = 0;
    room_ = std::min(settings.max_new_tokens, free);
    end_ = free < settings.max_new_tokens ? AnswerEnd::capacity : AnswerEnd::max_new_tokens;
}

std::optional<std::int32_t> Generator::next() {
    if (made_ >= room_) return std::nullopt;
    const std::int32_t id = choose(next_logits(unread_, made_ == 0 ? "prefill" : "decode"), settings_, made_);
    unread_.assign(1, id);
    made_++;
    const std::vector<int>& eos = settings_.eos_ids;
    if (std::find(eos.begin(), eos.end(), id) != eos.end()) {
        end_ = AnswerEnd::eos;
        room_ = made_;
    }
    return id;
}

Answer Generator::run(std::span<const std::int32_t> prompt, const GenerateSettings& settings) {
    begin(prompt, settings);
    Answer answer;
    while (std::optional<std::int32_t> id = next()) answer.ids.push_back(*id);
    answer.end = end_;
    return answer;
}

void Generator::plan() {
    std::vector<std::int32_t> tokens(std::size_t(capacity_), 0);
    caches_.past = 0;
    next_logits(tokens, "prefill");
    caches_.past = 0;
    first_bad_unit(ctx_, model_, store_, HostBatch::continuation(tokens, 0), &caches_);
    caches_.past = capacity_ - 1;
    next_logits(std::span(tokens).first(1), "decode");
}

}  // namespace tandem
