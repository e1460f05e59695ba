#include "tools/python/src/model_session.h"

#include <algorithm>

#include "models/llama/first_bad.h"
#include "ops/lm_head/lm_head.h"
#include "ops/rmsnorm/rmsnorm.h"
#include "tools/python/src/array.h"
#include "tools/session/machine.h"

namespace tandem::python {

namespace {

HostBatch one_text(std::span<const std::int32_t> ids, std::span<const std::int32_t> labels) {
    HostBatch batch;
    batch.add(0, ids, labels);
    return batch;
}

// Every row's logits go to `out`; nowhere where it is empty.
void all_logits(ModelRank& r, std::span<const std::int32_t> ids, std::span<float> out) {
    Context& ctx = r.context();
    RankPhase phase(ctx.device(), "logits");
    const Llama& llama = r.llama;
    const std::vector<int> schedule = forward_schedule(llama.params);
    r.store.schedule(schedule);
    const std::vector<std::int32_t> unsupervised(ids.size(), not_supervised);
    const Batch batch = upload(ctx, llama.rotary, one_text(ids, unsupervised));
    const Value h = hidden_states(ctx, llama, r.store, batch);
    const HeadParams& head = llama.params.head;
    LeaseScope lease(ctx, r.store, head.unit);
    const std::int64_t vocab = llama.config.vocab, each = default_rows_per_chunk(vocab);
    for (std::int64_t begin = 0; begin < h.rows(); begin += each) {
        const Value part(h.tensor().slice(begin, std::min(h.rows(), begin + each)));
        const Tensor rows = lm_head(ctx, rmsnorm(ctx, part, head.norm, llama.config.rms_eps), head.weight);
        if (out.empty()) continue;
        const std::span<float> to = out.subspan(std::size_t(begin * vocab), std::size_t(rows.elements()));
        ctx.download(std::as_writable_bytes(to), rows);
    }
}

double sum_of_losses(ModelRank& r, const HostBatch& host) {
    Context& ctx = r.context();
    RankPhase phase(ctx.device(), "loss");
    const std::vector<int> schedule = forward_schedule(r.llama.params);
    r.store.schedule(schedule);
    const Batch batch = upload(ctx, r.llama.rotary, host);
    double sum = 0;
    ctx.download(std::as_writable_bytes(std::span(&sum, 1)), evaluate(ctx, r.llama, r.store, batch, 1.0));
    return sum;
}

void largest(ModelRank& r, const ModelRecipe& with) {
    r.generator.emplace(r.context(), r.llama, r.store, with.context_length);
    r.generator->plan();
    const std::vector<std::int32_t> ids(std::size_t(with.context_length), 0);
    all_logits(r, ids, {});
    sum_of_losses(r, one_text(ids, ids));
}

bool is_first(ModelRank& r) { return r.context().rank() == 0; }

}  // namespace

ModelSession::ModelSession(const Arguments& arguments, const std::optional<std::string>& adapter)
    : recipe_(model_recipe(arguments)), model_(open_model(recipe_)) {
    if (adapter) adapter_ = Adapter::open(*adapter);
    check_window(model_, recipe_.context_length, "the context");
    loaded_ = std::make_unique<LoadedModel>(recipe_, model_, adapter_ ? &*adapter_ : nullptr, largest);
    loaded_->require_room(room_of(recipe_), smaller_generation(recipe_, 1, recipe_.context_length - 1));
    loaded_->start();
    run([&](ModelRank& r) {
        r.generator.emplace(r.context(), r.llama, r.store, recipe_.context_length);
    });
}

std::vector<std::string> ModelSession::notes() const {
    std::vector<std::string> all = model_.notes;
    if (adapter_)
        if (std::string note = note_of(*adapter_); !note.empty()) all.push_back(std::move(note));
    return all;
}

void ModelSession::run(const std::function<void(ModelRank&)>& body) {
    if (!loaded_) throw Error("[model] expected an open model, got one that was closed; open it again");
    loaded_->run(body);
}

void ModelSession::check_ids(const Ids& ids) const {
    if (ids.empty() || std::int64_t(ids.size()) > recipe_.context_length)
        throw InputError("[model] expected 1 to " + std::to_string(recipe_.context_length) + " ids, got " +
                         std::to_string(ids.size()) + "; raise " + setting("context_length") + " for longer texts");
    for (std::int32_t id : ids)
        if (id < 0 || id >= model_.config.vocab)
            throw InputError("[model] expected ids below the vocabulary's " + std::to_string(model_.config.vocab) +
                             ", got " + std::to_string(id));
}

Tensor ModelSession::logits(const Ids& ids) {
    check_ids(ids);
    const auto lock = guard_.lock();
    Tensor out = new_tensor({std::int64_t(ids.size()), model_.config.vocab}, DType::f32);
    run([&](ModelRank& r) {
        all_logits(r, ids, is_first(r) ? std::span(out.as<float>(), std::size_t(out.elements())) : std::span<float>());
    });
    return out;
}

double ModelSession::loss(const Ids& ids, const Ids& labels) {
    check_ids(ids);
    if (labels.size() != ids.size())
        throw InputError("[model] expected a label for each of " + std::to_string(ids.size()) + " ids, got " +
                         std::to_string(labels.size()));
    for (std::int32_t label : labels)
        if (label != not_supervised && (label < 0 || label >= model_.config.vocab))
            throw InputError("[model] expected labels below the vocabulary's " + std::to_string(model_.config.vocab) +
                             " or -100, got " + std::to_string(label));
    const std::int64_t supervised = count_supervised(labels);
    if (supervised == 0)
        throw InputError("[model] expected a label other than -100 behind the first, got none; nothing is supervised");
    const HostBatch batch = one_text(ids, labels);
    const auto lock = guard_.lock();
    double sum = 0;
    run([&](ModelRank& r) {
        const double mine = sum_of_losses(r, batch);
        if (is_first(r)) sum = mine;
    });
    return sum / double(supervised);
}

std::uint64_t ModelSession::begin(const Ids& prompt, const GenerateSettings& settings) {
    check_ids(prompt);
    if (std::int64_t(prompt.size()) == recipe_.context_length)
        throw InputError("[model] expected a prompt that leaves room for an answer, got " +
                         std::to_string(prompt.size()) + " ids; raise " + setting("context_length"));
    const auto lock = guard_.lock();
    run([&](ModelRank& r) { r.generator->begin(prompt, settings); });
    return ++text_;
}

std::optional<std::int32_t> ModelSession::next(std::uint64_t text) {
    const auto lock = guard_.lock();
    if (text != text_)
        throw Error("[model] expected the text that was begun last, got an older one; a model writes one at a time");
    std::optional<std::int32_t> id;
    std::optional<NotFinite> bad;
    run([&](ModelRank& r) {
        try {
            const std::optional<std::int32_t> mine = r.generator->next();
            if (is_first(r)) id = mine;
        } catch (const NotFinite& e) {  // on every rank: no reason to end them
            if (is_first(r)) bad = e;
        }
    });
    if (bad) throw NotFinite(*bad);
    return id;
}

void ModelSession::close() {
    const auto lock = guard_.lock();
    loaded_.reset();
}

}  // namespace tandem::python
