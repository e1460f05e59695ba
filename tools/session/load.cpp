#include "tools/session/load.h"

namespace tandem {

std::uint64_t WeightLoader::load(Rank& rank, LayerStore& store) {
    Context& ctx = rank.context();
    stores_[std::size_t(ctx.rank())] = &store;
    rank.collective().barrier();
    const std::uint64_t part = load_weights(params_, source_, stores_, ctx.rank(), ctx.world_size(), ctx);
    std::vector<std::uint64_t> parts(std::size_t(ctx.world_size()));
    rank.collective().all_gather(std::as_bytes(std::span(&part, 1)), std::as_writable_bytes(std::span(parts)));
    store.updated(ctx.compute());
    std::uint64_t hash = 0;
    for (std::uint64_t p : parts) hash += p;
    return hash;
}

}  // namespace tandem
