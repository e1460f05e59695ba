#include <optional>

#include "dist/rank_device.h"
#include "runtime/cuda/cuda_engine.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

class CudaRank final : public RankDevice {
  public:
    CudaRank(const LaunchOptions& o, const AbortSignal& abort, int rank, CopyStreams copies)
        : copies_(copies),
          card_(o.cards[std::size_t(rank)]),
          slab_(card_, o.plans.empty() ? 0 : o.plans[std::size_t(rank)].slab_bytes()),
          memory_(o.plans.empty() ? make_cuda_heap_memory(card_)
                                  : make_slab_memory(o.plans[std::size_t(rank)], slab_.data())),
          pool_(threads_of(o, rank)) {
        memory_->watch(extent_watch());
        scratch_.emplace(*memory_, o.tile_bytes);
        engine_.emplace(card_, abort, o.trace, rank);
    }

    Device device() override {
        Device d;
        d.kind = d.target = DeviceKind::cuda;
        d.cpu = {&pool_, nullptr};
        d.cuda = engine_->device(*scratch_);
        d.memory = memory_.get();
        const bool own = copies_ == CopyStreams::own;
        d.compute = &engine_->compute;
        d.gather = own ? &engine_->gather : &engine_->compute;
        d.reduce = own ? &engine_->reduce : &engine_->compute;
        return d;
    }
    void bind() override { engine_->bind(); }
    void finish() override {
        for (Stream* s : {&engine_->compute, &engine_->gather, &engine_->reduce, &engine_->ahead}) s->synchronize();
    }
    void drain() override { engine_.reset(); }

  private:
    const CopyStreams copies_;
    const int card_;
    DeviceSlab slab_;
    std::unique_ptr<Memory> memory_;
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
