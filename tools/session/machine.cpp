#include "tools/session/machine.h"

#include <algorithm>
#include <thread>

#include "ops/gemm/matmul.h"
#include "runtime/cuda/cards.h"
#include "tools/session/model.h"

namespace tandem {

namespace {

// The largest weight that is dequantized before a product.
std::size_t tile_bytes(const ModelRecipe& recipe, const Params& params) {
    std::int64_t elements = 0;
    for (const TableEntry& e : params.table)
        if (e.quant) elements = std::max(elements, e.param.shape.elements());
    return std::size_t(elements) * size_of(compute_type(recipe.precision));
}

}  // namespace

LaunchOptions launch_options(const ModelRecipe& recipe, const Params& params) {
    LaunchOptions l;
    l.world_size = recipe.gpus.world_size();
    l.cards = recipe.gpus.cards();
    l.tile_bytes = tile_bytes(recipe, params);
    l.threads = int(recipe.threads.value_or(std::max(1u, std::thread::hardware_concurrency())));
    l.compute = compute_type(recipe.precision);
    return l;
}

FrozenFrom frozen_from(const ModelRecipe& recipe) {
    if (!lies_on_host(recipe.weights_on)) return FrozenFrom::device;
    return recipe.weights_on == WeightsOn::mirror && recipe.gpus.is_on_cards() ? FrozenFrom::mirror : FrozenFrom::host;
}

std::unique_ptr<HostWeights> make_host_weights(const ModelRecipe& recipe, const Params& params) {
    if (frozen_from(recipe) == FrozenFrom::device) return nullptr;
    return std::make_unique<HostWeights>(
        params.units, recipe.gpus.world_size(),
        recipe.gpus.is_on_cards() ? HostWeights::For::cards : HostWeights::For::cpu_ranks);
}

Room room_of(const ModelRecipe& recipe) {
    Room room;
    if (recipe.host_memory)
        room.host = {{HostLimit::Of::resident, std::size_t(recipe.host_memory->bytes), setting("host_memory")}};
    else
        room.host = host_limits(process_limits());
    if (recipe.gpu_memory) room.rank_on_card = std::size_t(recipe.gpu_memory->bytes);
    if constexpr (build::has_cuda)
        if (!recipe.gpus.cards().empty())
            for (const Card& c : cards()) room.cards[c.ordinal] = {c.name, c.free};
    return room;
}

MemoryNeed memory_need(const ModelRecipe& recipe, const LaunchOptions& launch, std::vector<RankPlan> plans,
                       const Params& params, const WeightSource& source) {
    MemoryNeed need;
    need.plans = std::move(plans);
    need.cards = launch.cards;
    for (int r = 0; r < launch.world_size; r++) {
        need.loading.push_back(loading_bytes(params, source, r, launch.world_size));
        need.threads += threads_of(launch, r) + 3;  // its own thread, and one for each copy stream
    }
    need.saving.resize(std::size_t(launch.world_size));
    if (frozen_from(recipe) != FrozenFrom::device)
        need.host_weights = HostWeights::bytes(params.units, launch.world_size);
    return need;
}

std::string kernels_of(const Context& ctx) {
    if constexpr (build::has_cuda)
        if (ctx.device().kind == DeviceKind::cuda) return kernels_of_card(ctx.card());
    return matmul_kernel_name(ctx.compute_type());
}

}  // namespace tandem
