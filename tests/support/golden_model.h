// A small checkpoint on one or more CPU ranks: all that one batch gives, from the hidden states to the gradients.
#pragma once
#include <map>
#include <numeric>

#include "dist/launch.h"
#include "models/llama/rope_table.h"
#include "models/train/check_weights.h"
#include "ops/rmsnorm/rmsnorm.h"
#include "tests/support/test_rank.h"
#include "tools/session/load.h"
#include "tools/session/model.h"

namespace tandem::test {

struct GoldenModel {
    std::filesystem::path folder;
    TrainType type = TrainType::full;
    std::optional<std::filesystem::path> adapter = {};  // trained instead of the weights
    // A transformers model that was bf16 once has rounded its inverse frequencies for good.
    enum class Rope { exact, from_bf16 } rope = Rope::exact;
};

struct GoldenBatch {  // [samples, length] each
    std::int64_t samples, length;
    std::vector<std::int32_t> ids, labels;
    HostBatch part(std::int64_t begin, std::int64_t end) const {
        HostBatch b;
        for (std::int64_t i = begin; i < end; i++) {
            std::size_t at = std::size_t(i * length), n = std::size_t(length);
            b.add(std::int32_t(i), std::span(ids).subspan(at, n), std::span(labels).subspan(at, n));
        }
        return b;
    }
};

struct GoldenOutput {
    using Values = std::vector<double>;
    std::vector<Values> hidden;               // of the embedding, after each layer but the last, after the final norm
    Values logits;                            // [samples * length, vocab]
    double loss = 0;                          // mean over the supervised tokens
    std::map<std::string, Values> gradients;  // by the table's names; empty where nothing is trained
};

class GoldenRun {
  public:
    GoldenRun(const GoldenModel& model, int ranks) : ranks_(ranks), rope_(model.rope) {
        ModelRecipe recipe;
        recipe.model = model.folder.string();
        recipe.train_type = model.type;
        recipe.precision = Precision::fp32;
        model_ = open_model(recipe);
        if (model.adapter) adapter_ = Adapter::open(*model.adapter);
        ParamSetup setup;
        setup.quant = base_quant(model_, recipe);
        setup.train_base = model.type == TrainType::full && !setup.quant;
        if (adapter_) setup.lora = lora_spec(*adapter_);
        params_ = make_params(model_.config, setup);
        check_weights(model_.config, params_, *model_.weights);
        if (adapter_) check_adapter(params_, *adapter_);
    }

    // Each rank computes its share of the samples.
    GoldenOutput run(const GoldenBatch& batch) {
        GoldenOutput out;
        LaunchOptions launched;
        launched.world_size = ranks_;
        launched.threads = 2;
        WeightLoader loader(params_, {&*model_.weights, adapter_ ? &*adapter_ : nullptr, 0}, ranks_);
        launch(launched, [&](Rank& rank) {
            Context& ctx = rank.context();
            StoreOptions o;
            o.schedules = {training_schedule(params_), forward_schedule(params_)};
            LayerStore& store = rank.make_store(params_.units, o);
            loader.load(rank, store);
            Llama llama = make_llama(ctx, model_.config, params_, batch.length);
            if (rope_ == GoldenModel::Rope::from_bf16) round_rope(ctx, llama, batch.length);
            std::int64_t each = batch.samples / ranks_, begin = each * ctx.rank();
            Batch mine = upload(ctx, llama.rotary, batch.part(begin, begin + each));
            for (int layers = 0; layers < model_.config.layers; layers++)
                append(rank, out.hidden, std::size_t(layers), first_layers(ctx, llama, store, mine, layers));
            forward(rank, llama, store, mine, out);
            backward(rank, llama, store, mine, double(batch.part(0, batch.samples).targets.size()), out);
        });
        return out;
    }

  private:
    static void round_rope(Context& ctx, Llama& llama, std::int64_t positions) {
        const LlamaConfig& c = llama.config;
        RopeFrequencies f = rope_frequencies(c.rope, c.head_dim, c.max_positions, positions);
        for (float& x : f.inverse) x = float(bf16(x));
        std::vector<std::int32_t> all(static_cast<std::size_t>(positions));
        std::iota(all.begin(), all.end(), 0);
        std::vector<float> cos(std::size_t(llama.rotary.table.cos.elements())), sin(cos.size());
        rope_table(f, all, cos.data(), sin.data());
        ctx.upload(llama.rotary.table.cos, std::as_bytes(std::span(cos)));
        ctx.upload(llama.rotary.table.sin, std::as_bytes(std::span(sin)));
    }

    static Tensor first_layers(Context& ctx, Llama llama, LayerStore& store, const Batch& batch, int layers) {
        llama.config.layers = layers;
        llama.params.layers.resize(std::size_t(layers));
        std::vector<int> units = forward_schedule(llama.params);
        units.push_back(llama.params.head.unit);  // for its norm alone, and for the logits
        store.schedule(units);
        return hidden_states(ctx, llama, store, batch);
    }

    void forward(Rank& rank, const Llama& llama, LayerStore& store, const Batch& batch, GoldenOutput& out) const {
        Context& ctx = rank.context();
        Tensor h = first_layers(ctx, llama, store, batch, llama.config.layers);
        {
            LeaseScope lease(ctx, store, params_.head.unit);
            append(rank, out.hidden, std::size_t(llama.config.layers),
                   rmsnorm(ctx, Value(h), params_.head.norm, llama.config.rms_eps));
        }
        std::vector<GoldenOutput::Values> all;
        append(rank, all, 0, logits(ctx, llama, store, h));
        if (ctx.rank() == 0) out.logits = std::move(all[0]);
    }

    void backward(Rank& rank, const Llama& llama, LayerStore& store, const Batch& batch, double supervised,
                  GoldenOutput& out) const {
        Context& ctx = rank.context();
        bool trains = params_.trainable_elements() > 0;
        store.schedule(trains ? training_schedule(params_) : forward_schedule(params_));
        Tensor loss = trains ? forward_backward(ctx, llama, store, batch, 1 / supervised)
                             : evaluate(ctx, llama, store, batch, 1 / supervised);
        std::vector<double> sum = values_of(ctx, loss);
        rank.collective().sum(sum);
        if (ctx.rank() == 0) out.loss = sum[0];
        for (std::size_t unit = 0; unit < params_.units.size(); unit++)
            if (params_.trains(int(unit))) gather_gradients(rank, store, int(unit), out);
    }

    void gather_gradients(Rank& rank, LayerStore& store, int unit, GoldenOutput& out) const {
        TrainableRange range = store.trainable(unit, rank.context().compute());
        std::size_t each = range_size(std::size_t(params_.units[std::size_t(unit)].trainable_elements), ranks_, 256);
        std::vector<float> mine(each), all(each * std::size_t(ranks_));
        std::memcpy(mine.data(), range.gradient, std::size_t(range.elements) * sizeof(float));
        rank.collective().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
        if (rank.context().rank() > 0) return;
        for (const TableEntry& e : params_.table)
            if (e.param.trainable && e.param.unit == unit)
                out.gradients[e.name].assign(all.begin() + e.param.offset,
                                             all.begin() + e.param.offset + e.param.shape.elements());
    }

    // Rank 0's to[i] becomes the rows of all ranks.
    static void append(Rank& rank, std::vector<GoldenOutput::Values>& to, std::size_t i, const Tensor& rows) {
        Context& ctx = rank.context();
        std::vector<double> mine = values_of(ctx, rows), all(mine.size() * std::size_t(ctx.world_size()));
        rank.collective().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
        if (ctx.rank() > 0) return;
        to.resize(i + 1);
        to[i] = std::move(all);
    }

    int ranks_;
    GoldenModel::Rope rope_;
    Model model_;
    std::optional<Adapter> adapter_;
    Params params_;
};

}  // namespace tandem::test
