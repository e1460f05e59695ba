#include "tools/inference.h"

#include <thread>

namespace tandem {

namespace {

Params inference_params(const ModelOptions& options, const Model& model, const Adapter* adapter) {
    ParamSetup setup;
    setup.compute = compute_type(options.precision);
    setup.quant = base_quant(model, options);
    if (adapter) setup.lora = lora_spec(adapter->config());
    Params params = make_params(model.config, setup);
    if (model.weights) check_weights(params, *model.weights);
    if (adapter) check_adapter(params, *adapter);
    return params;
}

}  // namespace

int thread_count(const ModelOptions& options) {
    return int(options.threads.value_or(std::max(1u, std::thread::hardware_concurrency())));
}

void run_inference(const ModelOptions& options, const Model& model, const Adapter* adapter,
                   const std::function<void(InferenceRank&)>& largest,
                   const std::function<void(InferenceRank&)>& body) {
    Params params = inference_params(options, model, adapter);
    WeightSource source{model.weights ? &*model.weights : nullptr, adapter, 42};
    std::vector<LayerStore*> stores(options.gpus.size());

    auto start = [&](Rank& rank, const std::function<void(InferenceRank&)>& run, bool load) {
        Context& ctx = rank.context();
        StoreOptions o;
        o.schedules = {forward_schedule(params)};
        LayerStore& store = rank.make_store(params.units, o);
        Llama llama = make_llama(ctx, model.config, params, options.context_length, Recompute::block);
        if (load) {
            stores[std::size_t(ctx.rank())] = &store;
            rank.collective().barrier();
            load_weights(params, source, stores, ctx.rank(), ctx.world_size(), *ctx.cpu().pool);
            rank.collective().barrier();
            store.updated(ctx.compute());
        }
        InferenceRank r{rank, llama, store};
        run(r);
    };

    LaunchOptions l;
    l.world_size = int(options.gpus.size());
    l.threads = thread_count(options);
    l.compute = compute_type(options.precision);
    std::vector<MemoryPlan> plans;
    for (int r = 0; r < l.world_size; r++) {
        PlanRank planned(l, r);
        start(planned.rank(), largest, false);
        plans.push_back(planned.plan());
    }
    l.plans = plans;
    launch(l, [&](Rank& rank) { start(rank, body, true); });
}

}  // namespace tandem
