// Is the gather of weights hidden? Two CPU ranks of one thread each, a Llama of SmolLM2's layer shape with random
// weights, QLoRA in bf16. The link is slowed until a layer's gather takes 80 % of its forward. Prints the medians of
// what the layers of a step take with resident weights, with prefetch 1 and with prefetch 0, and exits with 1 where
//   prefetch 1 > 1.1 x resident, or
//   prefetch 0 < resident + 0.9 x the gathers' own time.
// usage: bench_gather_overlap [TOKENS [LAYERS [TRACE.json]]]
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "dist/launch.h"
#include "dist/throttled/throttled.h"
#include "runtime/trace.h"
#include "tools/session/load.h"
#include "tools/session/model.h"

using namespace tandem;

namespace {

struct Case {
    Strategy strategy;
    int prefetch;
    double bytes_per_second;  // 0: no link
};

LlamaConfig shape(int layers) {
    LlamaConfig c;
    c.hidden = 576, c.layers = layers, c.heads = 9, c.kv_heads = 3, c.head_dim = 64, c.intermediate = 1536;
    c.vocab = 1024, c.max_positions = 2048, c.tied = true;
    return c;
}

HostBatch batch(int tokens) {
    HostBatch b;
    std::vector<std::int32_t> ids;
    for (int t = 0; t < tokens; t++) ids.push_back(t * 7 % 1024);
    b.add(0, ids, ids);
    return b;
}

bool in_layers(const Trace::Span& s) {
    std::string_view name = s.name;
    return std::string_view(s.lane) == "compute" && !name.starts_with("lm_head") && name != "upload" &&
           name != "download";
}

// Seconds that rank 0's compute lane spent on the layers of the step in [begin, end), waits included.
double layer_seconds(const Trace& trace, Trace::Clock::time_point begin, Trace::Clock::time_point end) {
    double sum = 0;
    for (const Trace::Span& s : trace.spans())
        if (s.rank == 0 && s.begin >= begin && s.end <= end && in_layers(s))
            sum += std::chrono::duration<double>(s.end - s.begin).count();
    return sum;
}

struct Measured {
    std::vector<double> steps;  // seconds of each step's layers
    double forward = 0;         // of one layer, median
};

Measured measure(const Case& c, const LlamaConfig& config, const Params& params, int tokens, int steps, Trace& trace) {
    LaunchOptions l;
    l.world_size = 2;
    l.threads = 2;
    l.compute = DType::bf16;
    l.trace = &trace;
    if (c.bytes_per_second > 0)
        l.around = [&](std::unique_ptr<Transport> inner, const AbortSignal& abort) {
            return make_throttled(std::move(inner), {c.bytes_per_second}, abort);
        };
    WeightLoader loader(params, {nullptr, nullptr, 1}, 2);
    Measured m;
    launch(l, [&](Rank& rank) {
        Context& ctx = rank.context();
        std::vector<int> schedule = training_schedule(params), forward = forward_schedule(params);
        StoreOptions o;
        o.strategy = c.strategy, o.prefetch = c.prefetch, o.schedules = {schedule, forward};
        LayerStore& store = rank.make_store(params.units, o);
        Llama llama = make_llama(ctx, config, params, tokens);
        loader.load(rank, store);
        std::vector<double> forwards;
        for (int step = 0; step <= steps; step++) {
            rank.collective().barrier();
            auto begin = Trace::Clock::now();
            {
                store.schedule(schedule);
                Batch b = upload(ctx, llama.rotary, batch(tokens));
                forward_backward(ctx, llama, store, b, 1.0 / tokens);
            }
            auto end = Trace::Clock::now();
            {
                store.schedule(forward);
                Batch b = upload(ctx, llama.rotary, batch(tokens));
                auto start = Trace::Clock::now();
                evaluate(ctx, llama, store, b, 1.0 / tokens);
                if (ctx.rank() == 0 && step) forwards.push_back(layer_seconds(trace, start, Trace::Clock::now()));
            }
            if (ctx.rank() == 0 && step) m.steps.push_back(layer_seconds(trace, begin, end));  // the first warms up
        }
        if (ctx.rank() != 0) return;
        std::nth_element(forwards.begin(), forwards.begin() + std::ptrdiff_t(forwards.size() / 2), forwards.end());
        m.forward = forwards[forwards.size() / 2] / config.layers;
    });
    return m;
}

double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    int tokens = argc > 1 ? std::atoi(argv[1]) : 512, layers = argc > 2 ? std::atoi(argv[2]) : 16;
    LlamaConfig config = shape(layers);
    ParamSetup setup;
    setup.compute = DType::bf16;
    setup.quant = QuantSpec{};
    setup.lora = LoraSpec{16, 32, 0, false, projection_names()};
    Params params = make_params(config, setup);
    constexpr int rounds = 5, steps = 3;
    double from_peer = double(range_size(params.units[1].frozen_bytes, 2, unit_alignment));

    std::vector<double> resident, ahead, behind, gathers;
    for (int round = 0; round < rounds; round++) {  // interleaved: the machine's mood hits all three alike
        Trace quiet(true), first(true), second(true);
        Measured r = measure({Strategy::ddp, 0, 0}, config, params, tokens, steps, quiet);
        double gather = 0.8 * r.forward;
        Measured one = measure({Strategy::full_shard, 1, from_peer / gather}, config, params, tokens, steps, first);
        Measured zero = measure({Strategy::full_shard, 0, from_peer / gather}, config, params, tokens, steps, second);
        resident.push_back(median(r.steps));
        ahead.push_back(median(one.steps) / resident.back());
        gathers.push_back(gather * (2 * layers - 1));  // each layer forward and backward, the turn once
        behind.push_back((median(zero.steps) - resident.back()) / gathers.back());
        if (argc > 3) first.write(argv[3]);
    }
    fmt::print("layers of a step, resident     {:8.1f} ms\n", 1e3 * median(resident));
    fmt::print("gathers of a step, alone       {:8.1f} ms (a layer's is 80 % of its forward)\n", 1e3 * median(gathers));
    fmt::print("prefetch 1: {:.3f} x resident (at most 1.1)\n", median(ahead));
    fmt::print("prefetch 0: longer by {:.2f} of the gathers' time (at least 0.9)\n", median(behind));
    return median(ahead) <= 1.1 && median(behind) >= 0.9 ? 0 : 1;
}
