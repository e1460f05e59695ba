#include "tools/machine.h"

#include <algorithm>
#include <thread>

#include "ops/gemm/gemm.h"
#include "runtime/cuda/cards.h"
#include "tools/model.h"

namespace tandem {

namespace {

std::vector<int> cards_of(const ModelOptions& o) {
    std::vector<int> ordinals;
    for (const std::string& device : o.gpus)
        if (device != "cpu") ordinals.push_back(std::stoi(device));
    return ordinals;
}

// The largest weight that is dequantized before a product.
std::size_t tile_bytes(const ModelOptions& o, const Params& params) {
    std::int64_t elements = 0;
    for (const TableEntry& e : params.table)
        if (e.quant) elements = std::max(elements, e.param.shape.elements());
    return std::size_t(elements) * size_of(compute_type(o.precision));
}

}  // namespace

LaunchOptions launch_options(const ModelOptions& options, const Params& params) {
    LaunchOptions l;
    l.world_size = int(options.gpus.size());
    l.cards = cards_of(options);
    l.tile_bytes = tile_bytes(options, params);
    l.threads = int(options.threads.value_or(std::max(1u, std::thread::hardware_concurrency())));
    l.compute = compute_type(options.precision);
    return l;
}

std::unique_ptr<Mirror> make_mirror(const ModelOptions& options, const Params& params) {
    if (options.weights_on != WeightsOn::mirror) return nullptr;
    return std::make_unique<Mirror>(params.units, int(options.gpus.size()),
                                    cards_of(options).empty() ? Mirror::For::cpu_ranks : Mirror::For::cards);
}

Room room_of(const ModelOptions& options) {
    Room room;
    if (options.host_memory)
        room.host = {{HostLimit::Of::resident, std::size_t(options.host_memory->bytes), "--host-memory"}};
    else
        room.host = host_limits(process_limits());
    if (options.gpu_memory) room.rank_on_card = std::size_t(options.gpu_memory->bytes);
    if constexpr (build::has_cuda)
        if (!cards_of(options).empty())
            for (const Card& c : cards()) room.cards[c.ordinal] = {c.name, c.free};
    return room;
}

MemoryNeed memory_need(const ModelOptions& options, const LaunchOptions& launch, std::vector<MemoryPlan> plans,
                       const Params& params, const WeightSource& source) {
    MemoryNeed need;
    need.plans = std::move(plans);
    need.cards = launch.cards;
    for (int r = 0; r < launch.world_size; r++) {
        need.loading.push_back(loading_bytes(params, source, r, launch.world_size));
        need.threads += threads_of(launch, r) + 3;  // its own thread, and one for each copy stream
    }
    need.saving.resize(std::size_t(launch.world_size));
    if (options.weights_on == WeightsOn::mirror) need.mirror = Mirror::bytes(params.units, launch.world_size);
    return need;
}

std::string kernels_of(const Context& ctx) {
    if constexpr (build::has_cuda)
        if (ctx.device() == DeviceKind::cuda) return kernels_of_card(ctx.card());
    return gemm_kernel_name(ctx.compute_type());
}

}  // namespace tandem
