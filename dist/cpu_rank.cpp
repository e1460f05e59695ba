#include "dist/rank_device.h"
#include "dist/scratch.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/host_slab.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

class CpuRank final : public RankDevice {
  public:
    CpuRank(const LaunchOptions& o, const AbortSignal& abort, int rank, CopyStreams copies)
        : slab_(o.plans.empty() ? 0 : o.plans[std::size_t(rank)].device.slab_bytes()),
          memory_(o.plans.empty() ? make_heap_memory()
                                  : make_slab_memory(o.plans[std::size_t(rank)].device, slab_.data())),
          scratch_(allocate_scratch(*memory_, threads_of(o, rank))),
          pool_(threads_of(o, rank)),
          compute_(make_inline_stream({&abort, o.trace, rank, "compute"})) {
        if (copies == CopyStreams::compute) return;
        gather_ = make_worker_stream({&abort, o.trace, rank, "gather"});
        reduce_ = make_worker_stream({&abort, o.trace, rank, "reduce"});
    }

    Device device() override {
        Device d;
        d.cpu = {&pool_, scratch_->data};
        d.memory = d.host = memory_.get();
        d.compute = d.offload = compute_.get();
        d.gather = gather_ ? gather_.get() : compute_.get();
        d.reduce = reduce_ ? reduce_.get() : compute_.get();
        return d;
    }
    void bind() override {}
    void finish() override {
        for (const auto* s : {&gather_, &reduce_})
            if (*s) (*s)->synchronize();
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
    std::unique_ptr<Stream> compute_, gather_, reduce_;  // the latter two null where the first does their work
};

}  // namespace

std::unique_ptr<RankDevice> make_cpu_rank(const LaunchOptions& options, const AbortSignal& abort, int rank,
                                          CopyStreams copies) {
    return std::make_unique<CpuRank>(options, abort, rank, copies);
}

}  // namespace tandem
