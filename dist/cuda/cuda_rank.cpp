#include <optional>

#include "dist/rank_device.h"
#include "runtime/cuda/cuda_engine.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/pinned_slab.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

class CudaRank final : public RankDevice {
  public:
    CudaRank(const LaunchOptions& o, const AbortSignal& abort, int rank, CopyStreams copies)
        : copies_(copies),
          card_(o.cards[std::size_t(rank)]),
          slab_(card_, o.plans.empty() ? 0 : o.plans[std::size_t(rank)].device.slab_bytes()),
          host_slab_(o.plans.empty() ? 0 : o.plans[std::size_t(rank)].host.slab_bytes()),
          memory_(o.plans.empty() ? make_cuda_heap_memory(card_, Place::device)
                                  : make_slab_memory(o.plans[std::size_t(rank)].device, slab_.data())),
          host_(o.plans.empty() ? make_cuda_heap_memory(card_, Place::host)
                                : make_slab_memory(o.plans[std::size_t(rank)].host, host_slab_.data())),
          pool_(threads_of(o, rank)) {
        memory_->watch(extent_watch());
        host_->watch(extent_watch());
        scratch_.emplace(*memory_, o.tile_bytes);
        engine_.emplace(card_, abort, o.trace, rank);
    }

    Device device() override {
        Device d;
        d.kind = d.target = DeviceKind::cuda;
        d.cpu = {&pool_, nullptr};
        d.cuda = engine_->device(*scratch_);
        d.memory = memory_.get();
        d.host = host_.get();
        const bool own = copies_ == CopyStreams::own;
        d.compute = &engine_->compute;
        d.gather = own ? &engine_->gather : &engine_->compute;
        d.reduce = own ? &engine_->reduce : &engine_->compute;
        d.offload = own ? &engine_->offload : &engine_->compute;
        return d;
    }
    void bind() override { engine_->bind(); }
    void finish() override {
        CudaEngine& e = *engine_;
        for (Stream* s : {&e.compute, &e.gather, &e.reduce, &e.offload, &e.ahead}) s->synchronize();
    }
    void drain() override { engine_.reset(); }

  private:
    const CopyStreams copies_;
    const int card_;
    DeviceSlab slab_;
    PinnedSlab host_slab_;
    std::unique_ptr<Memory> memory_, host_;
    ThreadPool pool_;
    std::optional<CudaScratch> scratch_;
    std::optional<CudaEngine> engine_;
};

}  // namespace

std::unique_ptr<RankDevice> make_cuda_rank(const LaunchOptions& options, const AbortSignal& abort, int rank,
                                           CopyStreams copies) {
    return std::make_unique<CudaRank>(options, abort, rank, copies);
}

}  // namespace tandem
