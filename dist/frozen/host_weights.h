// One copy of all frozen bytes in host memory, for all ranks of this process. Frozen bytes never change, so no peer
// takes part. Page-locked for cards.
#pragma once
#include <memory>
#include <vector>

#include "runtime/layer_store.h"

namespace tandem {

class PinnedSlab;
class HostSlab;

class HostWeights {
  public:
    enum class For { cpu_ranks, cards };
    HostWeights(const std::vector<UnitLayout>& units, int world_size, For ranks);
    ~HostWeights();
    static std::size_t bytes(const std::vector<UnitLayout>& units, int world_size);

    // A unit's frozen blob: world_size ranges, as ranges_of cuts them.
    std::byte* unit(int u) const { return data_ + at_[std::size_t(u)]; }

  private:
    std::vector<std::size_t> at_;
    std::shared_ptr<PinnedSlab> pinned_;  // shared: a build without CUDA has no destructor for it
    std::unique_ptr<HostSlab> plain_;
    std::byte* data_ = nullptr;
};

}  // namespace tandem
