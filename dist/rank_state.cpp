#include "dist/rank_state.h"

#include <fmt/core.h>

#include "dist/make_transport.h"

namespace tandem {

namespace {

ContextParts parts_of(const LaunchOptions& o, const AbortSignal& abort, RankDevice& device,
                      const Transport& transport) {
    ContextParts p;
    p.device = device.device();
    p.rank = transport.rank();
    p.world_size = transport.world_size();
    p.compute = o.compute;
    p.abort = &abort;
    p.recompute_plan = o.recompute_plan;
    return p;
}

std::unique_ptr<RankDevice> device_of(const LaunchOptions& o, const AbortSignal& abort, int rank, CopyStreams copies) {
    if constexpr (build::has_cuda)
        if (!o.cards.empty()) return make_cuda_rank(o, abort, rank, copies);
    return make_cpu_rank(o, abort, rank, copies);
}

}  // namespace

RankState::RankState(const LaunchOptions& o, const AbortSignal& abort, std::unique_ptr<RankDevice> d,
                     std::unique_ptr<Transport> t, std::unique_ptr<Collective> c)
    : device(std::move(d)),
      transport(std::move(t)),
      collective(std::move(c)),
      ctx(parts_of(o, abort, *device, *transport)),
      rank(ctx, *transport, *collective) {
    device->bind();
}

void check_launch(const LaunchOptions& o) {
    if (o.world_size < 1) throw InputError(fmt::format("[launch] expected 1 rank or more, got {}", o.world_size));
    if (!o.plans.empty() && o.plans.size() != std::size_t(o.world_size))
        throw Error(
            fmt::format("[launch] expected a memory plan for each of {} ranks, got {}", o.world_size, o.plans.size()));
    if (!o.cards.empty() && o.cards.size() != std::size_t(o.world_size))
        throw Error(fmt::format("[launch] expected a card for each of {} ranks, got {}", o.world_size, o.cards.size()));
    if (!build::has_cuda && !o.cards.empty())
        throw InputError("[launch] this program was built without CUDA; build it where nvcc and a driver are, or with "
                         "TANDEM_CUDA=on where nvcc alone is, or run on CPU ranks");
}

std::unique_ptr<RankState> make_rank(const LaunchOptions& o, HostGroup& group, int rank, CopyStreams copies) {
    std::unique_ptr<RankDevice> device = device_of(o, group.abort, rank, copies);
    std::unique_ptr<Transport> transport = make_transport(o, group, rank);
    if (o.around) transport = o.around(std::move(transport), group.abort);
    return std::make_unique<RankState>(o, group.abort, std::move(device), std::move(transport),
                                       make_host_collective(group, rank));
}

}  // namespace tandem
