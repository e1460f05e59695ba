#include "dist/rank_device.h"
#include "dist/scratch.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/host_slab.h"

namespace tandem {

namespace {

class CpuRank final : public RankDevice {
  public:
    CpuRank(const LaunchOptions& o, const AbortSignal& abort, int rank)
        : slab_(o.plans.empty() ? 0 : o.plans[std::size_t(rank)].slab_bytes()),
          memory_(o.plans.empty() ? make_heap_memory() : make_slab_memory(o.plans[std::size_t(rank)], slab_.data())),
          scratch_(allocate_scratch(*memory_, threads_of(o, rank))),
          pool_(threads_of(o, rank)),
          compute_(make_inline_stream({&abort, o.trace, rank, "compute"})),
          gather_(make_worker_stream({&abort, o.trace, rank, "gather"})),
          reduce_(make_worker_stream({&abort, o.trace, rank, "reduce"})) {}

    ContextParts parts() override {
        ContextParts p;
        p.device = p.target = DeviceKind::cpu;
        p.cpu = {&pool_, scratch_->data};
        p.memory = memory_.get();
        p.compute_stream = compute_.get();
        p.gather_stream = gather_.get();
        p.reduce_stream = reduce_.get();
        return p;
    }
    void bind() override {}
    void finish() override {
        gather_->synchronize();
        reduce_->synchronize();
    }
    void drain() override {
        gather_.reset();
        reduce_.reset();
    }

  private:
    HostSlab slab_;
    std::unique_ptr<Memory> memory_;
    std::shared_ptr<Block> scratch_;
    ThreadPool pool_;
    std::unique_ptr<Stream> compute_, gather_, reduce_;
};

}  // namespace

std::unique_ptr<RankDevice> make_cpu_rank(const LaunchOptions& options, const AbortSignal& abort, int rank) {
    return std::make_unique<CpuRank>(options, abort, rank);
}

}  // namespace tandem
