#include "tools/inference.h"

#include <fmt/core.h>


#include "models/train/check_weights.h"
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

}  // namespace

void run_inference(const ModelOptions& options, const Model& model, const Adapter* adapter,
                   const std::function<void(InferenceRank&)>& largest,
                   const std::function<void(InferenceRank&)>& body) {
    Params params = inference_params(options, model, adapter);
    for (const std::string& note : model.notes) log_line(fmt::format("[Model] {}", note));
    WeightSource source{model.weights ? &*model.weights : nullptr, adapter, 42};
    std::vector<LayerStore*> stores(options.gpus.size());
    std::unique_ptr<Mirror> mirror = make_mirror(options, params);

    auto start = [&](Rank& rank, const std::function<void(InferenceRank&)>& run, bool load) {
        Context& ctx = rank.context();
        StoreOptions o;
        o.schedules = {forward_schedule(params)};
        o.mirror = mirror.get();
        LayerStore& store = rank.make_store(params.units, o);
        Llama llama = make_llama(ctx, model.config, params, options.context_length, Recompute::block);
        if (load) {
            stores[std::size_t(ctx.rank())] = &store;
            rank.collective().barrier();
            load_weights(params, source, stores, ctx.rank(), ctx.world_size(), ctx);
            rank.collective().barrier();
            store.updated(ctx.compute());
        }
        InferenceRank r{rank, llama, store};
        run(r);
    };

    LaunchOptions l = launch_options(options, params);
    std::vector<MemoryPlan> plans;
    for (int r = 0; r < l.world_size; r++) {
        PlanRank planned(l, r);
        start(planned.rank(), largest, false);
        plans.push_back(planned.plan());
    }
    check_room(options, plans);
    l.plans = plans;
    launch(l, [&](Rank& rank) { start(rank, body, true); });
}

}  // namespace tandem
