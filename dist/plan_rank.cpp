#include <algorithm>

#include "dist/launch.h"
#include "dist/scratch.h"
#include "runtime/cuda/cuda_engine.h"
#include "runtime/plan/plan_stream.h"

namespace tandem {

namespace {

class PlanTransport final : public Transport {
  public:
    PlanTransport(int rank, int world_size) : rank_(rank), world_size_(world_size) {}
    int rank() const override { return rank_; }
    int world_size() const override { return world_size_; }
    void publish(std::span<const std::byte>) override {}
    void loaded(Stream&) override {}
    void gather_published(Stream&, std::size_t, std::size_t, std::byte*) override {}
    void all_gather(Stream&, int, std::span<const std::byte>, std::byte*) override {}
    void reduce_scatter(Stream&, int, const ReduceScatter&) override {}

  private:
    int rank_, world_size_;
};

// As if every rank brought the same.
class PlanCollective final : public Collective {
  public:
    PlanCollective(int rank, int world_size) : rank_(rank), world_size_(world_size) {}
    int rank() const override { return rank_; }
    int world_size() const override { return world_size_; }
    void sum(std::span<double>) override {}
    void barrier() override {}
    void all_gather(std::span<const std::byte> mine, std::span<std::byte> out) override {
        for (int r = 0; r < world_size_; r++)
            std::copy(mine.begin(), mine.end(), out.begin() + std::ptrdiff_t(r) * std::ptrdiff_t(mine.size()));
    }

  private:
    int rank_, world_size_;
};

}  // namespace

struct PlanRank::State {
    State(const LaunchOptions& o, int rank)
        : scratch(scratch_of(o, rank)),
          transport(rank, o.world_size),
          collective(rank, o.world_size),
          ctx(parts_of(o, rank)),
          rank(ctx, transport, collective) {}

    std::vector<std::shared_ptr<Block>> scratch_of(const LaunchOptions& o, int rank) {
        if constexpr (build::has_cuda)
            if (!o.cards.empty()) {
                CudaScratch s(memory, o.tile_bytes);
                return {s.scratch, s.matmul, s.tiles};
            }
        return {allocate_scratch(memory, threads_of(o, rank))};
    }
    ContextParts parts_of(const LaunchOptions& o, int rank) {
        ContextParts p;
        p.device = DeviceKind::plan;
        p.target = o.cards.empty() ? DeviceKind::cpu : DeviceKind::cuda;
        p.rank = rank;
        p.world_size = o.world_size;
        p.compute = o.compute;
        p.memory = &memory;
        p.compute_stream = p.gather_stream = p.reduce_stream = &stream;
        p.abort = &abort;
        p.recompute_plan = o.recompute_plan;
        return p;
    }

    PlanMemory memory;
    PlanStream stream;
    AbortSignal abort;
    std::vector<std::shared_ptr<Block>> scratch;
    PlanTransport transport;
    PlanCollective collective;
    Context ctx;
    Rank rank;
};

PlanRank::PlanRank(const LaunchOptions& options, int rank) : state_(std::make_unique<State>(options, rank)) {}
PlanRank::~PlanRank() = default;
Rank& PlanRank::rank() { return state_->rank; }
MemoryPlan PlanRank::plan() const { return state_->memory.plan(); }

}  // namespace tandem
