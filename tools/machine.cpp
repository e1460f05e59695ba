#include "tools/machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
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

void check_room(const ModelOptions& options, const std::vector<MemoryPlan>& plans) {
    const std::vector<int> ordinals = cards_of(options);
    std::map<int, std::size_t> needed;
    for (std::size_t r = 0; r < ordinals.size(); r++) {
        const std::size_t bytes = plans[r].slab_bytes();
        if (options.gpu_memory && bytes > std::size_t(options.gpu_memory->bytes))
            throw DoesNotFit(
                fmt::format("rank {} needs {} bytes, --gpu-memory allows {}; use a shorter --context-length, a smaller "
                            "--batch-size or more cards",
                            r, bytes, options.gpu_memory->bytes));
        needed[ordinals[r]] += bytes;
    }
    if constexpr (build::has_cuda) {
        if (needed.empty()) return;
        const std::vector<Card> all = cards();
        for (const auto& [ordinal, bytes] : needed)
            if (bytes > all.at(std::size_t(ordinal)).free)
                throw DoesNotFit(fmt::format(
                    "the ranks on card {} ({}) need {} bytes, {} of {} are free; close what else runs there, or use a "
                    "shorter --context-length, a smaller --batch-size or more cards",
                    ordinal, all[std::size_t(ordinal)].name, bytes, all[std::size_t(ordinal)].free,
                    all[std::size_t(ordinal)].bytes));
    }
}

std::string kernels_of(const Context& ctx) {
    if constexpr (build::has_cuda)
        if (ctx.device() == DeviceKind::cuda) return kernels_of_card(ctx.card());
    return gemm_kernel_name(ctx.compute_type());
}

}  // namespace tandem
