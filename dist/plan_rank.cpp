#include <algorithm>

#include "dist/rank_state.h"
#include "dist/scratch.h"
#include "runtime/abort.h"
#include "runtime/cuda/cuda_scratch.h"
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

class PlanDevice final : public RankDevice {
  public:
    PlanDevice(const LaunchOptions& o, int rank, PlanMemory& memory, PlanMemory& host)
        : memory_(memory),
          host_(o.cards.empty() ? memory : host),
          target_(o.cards.empty() ? DeviceKind::cpu : DeviceKind::cuda) {
        if (o.cards.empty()) {
            scratch_ = {allocate_scratch(memory, threads_of(o, rank))};
            return;
        }
        CudaScratch s(memory, o.tile_bytes);
        scratch_ = {s.scratch, s.matmul, s.tiles};
    }
    Device device() override {
        Device d;
        d.kind = DeviceKind::plan;
        d.target = target_;
        d.memory = &memory_;
        d.host = &host_;
        d.compute = d.gather = d.reduce = d.offload = &stream_;
        return d;
    }
    void bind() override {}
    void finish() override {}
    void drain() override {}

  private:
    PlanMemory &memory_, &host_;
    const DeviceKind target_;
    PlanStream stream_;
    std::vector<std::shared_ptr<Block>> scratch_;
};

}  // namespace

struct PlanRank::State {
    State(const LaunchOptions& o, int rank)
        : made(o, abort, std::make_unique<PlanDevice>(o, rank, memory, host),
               std::make_unique<PlanTransport>(rank, o.world_size),
               std::make_unique<PlanCollective>(rank, o.world_size)) {}

    AbortSignal abort;
    PlanMemory memory, host;
    RankState made;
};

PlanRank::PlanRank(const LaunchOptions& options, int rank) : state_(std::make_unique<State>(options, rank)) {}
PlanRank::~PlanRank() = default;
Rank& PlanRank::rank() { return state_->made.rank; }
RankPlan PlanRank::plan() const { return {state_->memory.plan(), state_->host.plan()}; }

}  // namespace tandem
