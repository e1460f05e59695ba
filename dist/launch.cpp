#include "dist/launch.h"

#include <sys/mman.h>

#include <optional>
#include <thread>

#include "dist/failure.h"
#include "dist/host/host_group.h"
#include "dist/scratch.h"
#include "runtime/cpu/cpu_stream.h"

namespace tandem {

namespace {

// Pages come as they are first touched.
class Slab {
  public:
    explicit Slab(std::size_t bytes) : bytes_(bytes) {
        if (bytes == 0) return;
        data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data_ == MAP_FAILED)
            throw DoesNotFit(
                fmt::format("[launch] the system has no {} bytes for a rank's memory; plan for less", bytes));
    }
    ~Slab() {
        if (bytes_) munmap(data_, bytes_);
    }
    Slab(const Slab&) = delete;
    std::byte* data() const { return static_cast<std::byte*>(data_); }

  private:
    std::size_t bytes_;
    void* data_ = nullptr;
};

std::unique_ptr<Transport> transport_of(const LaunchOptions& o, HostGroup& group, int rank) {
    std::unique_ptr<Transport> host = make_host_transport(group, rank);
    return o.around ? o.around(std::move(host), group.abort) : std::move(host);
}

// Everything a rank has, made in its own thread and freed by the launch.
struct RankState {
    RankState(const LaunchOptions& o, HostGroup& group, int r)
        : slab(o.plans.empty() ? 0 : o.plans[std::size_t(r)].slab_bytes()),
          memory(o.plans.empty() ? make_heap_memory() : make_slab_memory(o.plans[std::size_t(r)], slab.data())),
          scratch(allocate_scratch(*memory, threads_of(o, r))),
          pool(threads_of(o, r)),
          transport(transport_of(o, group, r)),
          collective(make_host_collective(group, r)),
          compute(make_inline_stream({&group.abort, o.trace, r, "compute"})),
          gather(make_worker_stream({&group.abort, o.trace, r, "gather"})),
          reduce(make_worker_stream({&group.abort, o.trace, r, "reduce"})),
          ctx(ContextParts{DeviceKind::cpu,
                           {&pool, scratch->data},
                           r,
                           o.world_size,
                           o.compute,
                           memory.get(),
                           compute.get(),
                           gather.get(),
                           reduce.get(),
                           &group.abort,
                           o.trace,
                           o.recompute_plan}),
          rank(ctx, *transport, *collective) {}

    // Stops the copy threads; what they have not begun is dropped.
    void drain() {
        gather.reset();
        reduce.reset();
    }

    Slab slab;
    std::unique_ptr<Memory> memory;
    std::shared_ptr<Block> scratch;
    ThreadPool pool;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Collective> collective;
    std::unique_ptr<Stream> compute, gather, reduce;
    Context ctx;
    Rank rank;
};

void run_rank(const LaunchOptions& options, HostGroup& group, std::unique_ptr<RankState>& state, int rank,
              const std::function<void(Rank&)>& body) {
    try {
        state = std::make_unique<RankState>(options, group, rank);
        body(state->rank);
        state->gather->synchronize();
        state->reduce->synchronize();
        group.leave(rank);
    } catch (...) {
        group.abort.raise(named_failure(rank, std::current_exception()));
    }
}

void check(const LaunchOptions& o) {
    if (o.world_size < 1) throw InputError(fmt::format("[launch] expected 1 rank or more, got {}", o.world_size));
    if (!o.plans.empty() && o.plans.size() != std::size_t(o.world_size))
        throw Error(
            fmt::format("[launch] expected a memory plan for each of {} ranks, got {}", o.world_size, o.plans.size()));
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
    for (auto& state : ranks)
        if (state) state->drain();
    ranks.clear();
    if (std::exception_ptr failure = abort.failure()) std::rethrow_exception(failure);
}

}  // namespace tandem
