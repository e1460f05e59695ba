#include "dist/launch.h"

#include <fmt/core.h>

#include <thread>

#include "dist/failure.h"
#include "dist/host/host_group.h"
#include "dist/make_transport.h"
#include "dist/rank_device.h"

namespace tandem {

namespace {

std::unique_ptr<RankDevice> device_of(const LaunchOptions& o, const AbortSignal& abort, int rank) {
    if constexpr (build::has_cuda)
        if (!o.cards.empty()) return make_cuda_rank(o, abort, rank);
    return make_cpu_rank(o, abort, rank);
}

std::unique_ptr<Transport> transport_of(const LaunchOptions& o, HostGroup& group, int rank) {
    std::unique_ptr<Transport> made = make_transport(o, group, rank);
    return o.around ? o.around(std::move(made), group.abort) : std::move(made);
}

ContextParts parts_of(const LaunchOptions& o, RankDevice& device, const AbortSignal& abort, int rank) {
    ContextParts p = device.parts();
    p.rank = rank;
    p.world_size = o.world_size;
    p.compute = o.compute;
    p.abort = &abort;
    p.recompute_plan = o.recompute_plan;
    return p;
}

// Everything a rank has, made in its own thread and freed by the launch.
struct RankState {
    RankState(const LaunchOptions& o, HostGroup& group, int r)
        : device(device_of(o, group.abort, r)),
          transport(transport_of(o, group, r)),
          collective(make_host_collective(group, r)),
          ctx(parts_of(o, *device, group.abort, r)),
          rank(ctx, *transport, *collective) {
        device->bind();
    }

    std::unique_ptr<RankDevice> device;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Collective> collective;
    Context ctx;
    Rank rank;
};

void run_rank(const LaunchOptions& options, HostGroup& group, std::unique_ptr<RankState>& state, int rank,
              const std::function<void(Rank&)>& body) {
    try {
        state = std::make_unique<RankState>(options, group, rank);
        body(state->rank);
        state->device->finish();
        group.leave(rank);
    } catch (...) {
        group.abort.raise(named_failure(rank, std::current_exception()));
    }
}

// After a failure: a transport that waits for peers in its streams could not be drained.
void stop_transports(std::vector<std::unique_ptr<RankState>>& ranks) {
    for (auto& state : ranks)
        if (state) state->transport->stop();
}

void check(const LaunchOptions& o) {
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

}  // namespace

int threads_of(const LaunchOptions& options, int rank) {
    int share = options.threads / options.world_size, left = options.threads % options.world_size;
    return std::max(1, share + (rank < left ? 1 : 0));
}

void launch(const LaunchOptions& options, const std::function<void(Rank&)>& body) {
    check(options);
    AbortSignal abort;
    HostGroup group(options.world_size, abort);
    std::vector<std::unique_ptr<RankState>> ranks(std::size_t(options.world_size));
    std::vector<std::thread> threads;
    try {
        for (int r = 0; r < options.world_size; r++)
            threads.emplace_back([&, r] { run_rank(options, group, ranks[std::size_t(r)], r, body); });
    } catch (...) {  // a thread that the system refused
        abort.raise(std::current_exception());
    }
    for (std::thread& t : threads) t.join();
    if (abort.raised()) stop_transports(ranks);
    for (auto& state : ranks)
        if (state) state->device->drain();
    ranks.clear();
    if (std::exception_ptr failure = abort.failure()) std::rethrow_exception(failure);
}

}  // namespace tandem
