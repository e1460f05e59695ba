// Copies between cards that cannot reach each other: down to page-locked host memory by the owner's copy engine, up by
// the reader's, two chunks in turn.
#pragma once
#include <array>

#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/pinned_slab.h"

namespace tandem {

class StagedCopy {
  public:
    StagedCopy(int owner, const AbortSignal& abort);

    // In `reader`'s order, and after `ready`: `to` on the reader's card gets what `from` is on the owner's.
    void copy(Stream& reader, std::byte* to, const std::byte* from, std::size_t bytes, const Event& ready);

  private:
    static constexpr std::size_t chunk_bytes = 4u << 20;
    CudaStream down_;  // on the owner's card
    PinnedSlab slab_;
    std::array<Event, 2> free_;  // by chunk: the reader's last copy from it
    std::size_t turn_ = 0;
};

}  // namespace tandem
