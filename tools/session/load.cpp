#include "tools/session/load.h"

namespace tandem {

WeightLoader::WeightLoader(const Params& params, const WeightSource& source, int world_size, LoadProgress progress)
    : params_(params), source_(source), stores_(std::size_t(world_size)), progress_(std::move(progress)) {
    for (const TableEntry& e : params.table) elements_ += e.param.shape.elements();
    if (progress_) source_.loaded = [this](std::int64_t elements) { add_loaded(elements); };
}

void WeightLoader::add_loaded(std::int64_t elements) {
    const std::lock_guard lock(mutex_);
    loaded_ += elements;
    progress_(double(loaded_) / double(elements_));
}

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
