// What ranks tell each other beside weights and gradients: norms, flags, counts, losses. One per rank.
#pragma once
#include <cstddef>
#include <span>

namespace tandem {

class Collective {
  public:
    virtual ~Collective() = default;
    virtual int rank() const = 0;
    virtual int world_size() const = 0;
    // Every rank's values become their sums over ranks, added in rank order: the same bits everywhere. Waits for all.
    virtual void sum(std::span<double> values) = 0;
    virtual void barrier() = 0;
    // Every rank's `mine` (of equal size) becomes visible to all: out holds world_size parts in rank order.
    virtual void all_gather(std::span<const std::byte> mine, std::span<std::byte> out) = 0;
};

}  // namespace tandem
