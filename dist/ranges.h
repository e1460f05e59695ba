// Where a rank's ranges of all units lie in its shards: one after the other, in the units' order.
#pragma once
#include <vector>

#include "runtime/layer_store.h"

namespace tandem {

struct UnitRanges {
    std::size_t frozen, frozen_at;         // bytes of each rank's range; its place in the shard of frozen bytes
    std::int64_t trainable, trainable_at;  // elements
};

inline std::vector<UnitRanges> ranges_of(const std::vector<UnitLayout>& units, int world_size) {
    std::vector<UnitRanges> all;
    UnitRanges at{0, 0, 0, 0};
    for (const UnitLayout& u : units) {
        at.frozen = range_size(u.frozen_bytes, world_size, unit_alignment);
        at.trainable = std::int64_t(range_size(std::size_t(u.trainable_elements), world_size, unit_alignment / 4));
        all.push_back(at);
        at.frozen_at += at.frozen;
        at.trainable_at += at.trainable;
    }
    return all;
}

// The plan device has no bytes: null stays null.
inline std::byte* advance(std::byte* base, std::size_t bytes) { return base ? base + bytes : nullptr; }

// The part of `data`, which begins at byte `offset` of a blob, that falls into [begin, begin + bytes) of it, and how
// far behind `begin`.
struct Overlap {
    std::size_t at;
    std::span<const std::byte> data;
};
Overlap overlap(std::size_t begin, std::size_t bytes, std::span<const std::byte> data, std::size_t offset);

}  // namespace tandem
