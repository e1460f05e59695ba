// Exchange of parts between cards that cannot reach each other, through page-locked host memory, in chunks: while one
// chunk goes up from the peers' memory, the next comes down.
#pragma once
#include <array>
#include <vector>

#include "dist/host/meeting.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/pinned_slab.h"

namespace tandem {

class HostExchange {
  public:
    HostExchange(Meeting& place, int rank, int world_size, int card, const AbortSignal& abort);

    // buffer: world_size parts of part_bytes each. Part r of this rank's buffer and this rank's part of r's change
    // places, for every r. All ranks call it together.
    void run(Stream& stream, int tag, std::byte* buffer, std::size_t part_bytes);

  private:
    static constexpr std::size_t chunk_bytes = 4u << 20;
    struct Message {
        const std::byte* chunks;  // one for each rank
        Event sent;               // they are there
        Event taken;              // what the peers sent in the turn before has been read
    };
    std::byte* chunk(std::size_t turn, std::size_t r) {
        return slab_.data() + (turn * std::size_t(world_size_) + r) * chunk_bytes;
    }

    Meeting& place_;
    const int rank_, world_size_;
    CudaStream down_;
    PinnedSlab slab_;                              // two turns of world_size chunks
    std::array<Message, 2> message_;               // by turn
    std::array<std::vector<Event>, 2> may_write_;  // by turn: all peers have taken what was there
    std::size_t turn_ = 0;
};

}  // namespace tandem
