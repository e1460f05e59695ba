#include "dist/frozen/host_weights.h"

#include "dist/ranges.h"
#include "runtime/build.h"
#include "runtime/cuda/pinned_slab.h"
#include "runtime/host_slab.h"

namespace tandem {

std::size_t HostWeights::bytes(const std::vector<UnitLayout>& units, int world_size) {
    const UnitRanges last = ranges_of(units, world_size).back();
    return (last.frozen_at + last.frozen) * std::size_t(world_size);
}

HostWeights::HostWeights(const std::vector<UnitLayout>& units, int world_size, For ranks) {
    for (const UnitRanges& r : ranges_of(units, world_size)) at_.push_back(r.frozen_at * std::size_t(world_size));
    if constexpr (build::has_cuda)
        if (ranks == For::cards) {
            pinned_ = std::make_shared<PinnedSlab>(bytes(units, world_size));
            data_ = pinned_->data();
        }
    if (ranks == For::cpu_ranks) {
        plain_ = std::make_unique<HostSlab>(bytes(units, world_size));
        data_ = plain_->data();
    }
}

HostWeights::~HostWeights() = default;

}  // namespace tandem
