#include "tools/inference.h"

#include <fmt/core.h>

#include "models/train/check_weights.h"
#include "tools/console.h"
#include "tools/log.h"
#include "tools/machine.h"

namespace tandem {

namespace {

Params inference_params(const ModelOptions& options, const Model& model, const Adapter* adapter) {
    ParamSetup setup;
    setup.compute = compute_type(options.precision);
    setup.quant = base_quant(model, options);
    if (adapter) setup.lora = lora_spec(*adapter);
    Params params = make_params(model.config, setup);
    if (model.weights) check_weights(model.config, params, *model.weights);
    if (adapter) check_adapter(params, *adapter);
    return params;
}

struct Setup {
    const ModelOptions& options;
    const Model& model;
    const Params& params;
    WeightSource source;
};

void start(Rank& rank, const Setup& setup, Mirror* mirror, const std::function<void(InferenceRank&)>& run) {
    StoreOptions o;
    o.schedules = {forward_schedule(setup.params)};
    o.mirror = mirror;
    LayerStore& store = rank.make_store(setup.params.units, o);
    Llama llama = make_llama(rank.context(), setup.model.config, setup.params, setup.options.context_length,
                             Recompute::block);
    InferenceRank r{rank, llama, store};
    run(r);
}

// `stores`: by rank; set by each rank, read after a barrier.
void load(InferenceRank& r, const Setup& setup, std::vector<LayerStore*>& stores) {
    Context& ctx = r.rank.context();
    stores[std::size_t(ctx.rank())] = &r.store;
    r.rank.collective().barrier();
    load_weights(setup.params, setup.source, stores, ctx.rank(), ctx.world_size(), ctx);
    r.rank.collective().barrier();
    r.store.updated(ctx.compute());
}

MemoryNeed plan(const Setup& setup, const Inference& what) {
    const LaunchOptions l = launch_options(setup.options, setup.params);
    std::vector<MemoryPlan> plans;
    for (int r = 0; r < l.world_size; r++) {
        PlanRank planned(l, r);
        start(planned.rank(), setup, nullptr, [&](InferenceRank& rank) { what.largest(rank, setup.options); });
        plans.push_back(planned.plan());
    }
    return memory_need(setup.options, l, std::move(plans), setup.params, setup.source);
}

}  // namespace

void run_inference(const ModelOptions& options, const Model& model, const Adapter* adapter, const Inference& what) {
    const Params params = inference_params(options, model, adapter);
    for (const std::string& note : model.notes) log_line(fmt::format("[Model] {}", note));
    const WeightSource source{model.weights ? &*model.weights : nullptr, adapter, 42};
    const Setup setup{options, model, params, source};
    const MemoryNeed need = plan(setup, what);
    const Room room = room_of(options);
    Console(StepLog::lines, Stdout::open).planned_memory(need, room);
    if (std::vector<Shortage> now = shortages(need, room); !now.empty())
        refuse<ModelOptions>(now, options, room, what.smaller, [&](const ModelOptions& changed) {
            const Params smaller = inference_params(changed, model, adapter);
            return std::optional(plan({changed, model, smaller, source}, what));
        });
    std::unique_ptr<Mirror> mirror = make_mirror(options, params);
    std::vector<LayerStore*> stores(options.gpus.size());
    LaunchOptions l = launch_options(options, params);
    l.plans = need.plans;
    launch(l, [&](Rank& rank) {
        start(rank, setup, mirror.get(), [&](InferenceRank& r) {
            load(r, setup, stores);
            what.body(r);
        });
    });
}

}  // namespace tandem
