// Dequantized weights, one ahead: while a product reads one tile, the next one that this unit will want is made on a
// stream of its own. What comes next is learnt from the last time that the same sequence was run under a lease; it
// changes when work is done, never its result.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "runtime/cuda/cuda_stream.h"

namespace tandem {

// What makes a tile: it knows the format, TileAhead does not.
class TileMaker {
  public:
    virtual ~TileMaker() = default;
    virtual void make(CUstream_st* stream, const std::byte* bytes, std::byte* tile) const = 0;
    virtual bool same(const TileMaker& other) const = 0;  // it would make the same of the same bytes
};

struct TileSource {
    const std::byte* bytes = nullptr;  // under the lease held now
    std::size_t tile_bytes = 0;
    std::shared_ptr<const TileMaker> maker;
};

class TileAhead {
  public:
    static constexpr std::size_t slots = 2;

    // `memory`: the slots, one after the other, of equal size.
    TileAhead(CudaStream& compute, CudaStream& ahead, std::span<std::byte> memory);

    // All slots, free for other work while no lease is held.
    std::span<std::byte> memory() const { return {slot_[0].data, slots * slot_bytes_}; }

    // The tile of `source`: for work enqueued on the compute stream before the next `take`.
    const std::byte* take(const TileSource& source);

    // A lease begins or ends; `sequence` tells kinds of leases apart (forward; recomputation and backward). At its end
    // compute waits for a tile that was made in vain, since its source is let go.
    void begin(std::uint64_t sequence);
    void end() noexcept;

  private:
    struct Slot {
        std::byte* data = nullptr;
        TileSource holds;  // bytes null: nothing
        Event made;        // on the stream `ahead`, passed where compute made it itself
    };
    void learn(const TileSource& source);
    void make_next();

    CudaStream &compute_, &ahead_;
    std::array<Slot, slots> slot_;
    std::size_t slot_bytes_;
    std::size_t now_ = 0;                                 // the slot taken last
    std::uint64_t path_ = 0;                              // hash of the tiles taken under this lease
    TileSource last_;                                     // of them the last
    std::unordered_map<std::uint64_t, TileSource> next_;  // by path; its bytes are the distance from `last_`'s
};

}  // namespace tandem
