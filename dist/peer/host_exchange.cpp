#include "dist/peer/host_exchange.h"

#include <algorithm>

namespace tandem {

HostExchange::HostExchange(Meeting& place, int rank, int world_size, int card, const AbortSignal& abort)
    : place_(place),
      rank_(rank),
      world_size_(world_size),
      down_(card, CudaStream::Priority::high, {&abort}),
      slab_(2 * std::size_t(world_size) * chunk_bytes) {}

// A chunk's memory is written again two turns later; in the turn between, every peer tells when it has read it.
void HostExchange::run(Stream& stream, int tag, std::byte* buffer, std::size_t part_bytes) {
    down_.wait(stream.record());
    for (std::size_t at = 0; at < part_bytes; at += chunk_bytes) {
        const std::size_t n = std::min(chunk_bytes, part_bytes - at);
        for (const Event& e : may_write_[turn_]) down_.wait(e);
        for (std::size_t r = 0; r < std::size_t(world_size_); r++)
            if (int(r) != rank_) down_.copy(chunk(turn_, r), buffer + r * part_bytes + at, n);
        Message& mine = message_[turn_];
        mine = {chunk(turn_, 0), down_.record(), stream.record()};
        auto all = place_.meet(rank_, "exchange for unit", std::uint64_t(tag), &mine);
        stream.wait(mine.sent);
        may_write_[1 - turn_].clear();
        for (std::size_t r = 0; r < all.size(); r++) {
            if (int(r) == rank_) continue;
            const Message& theirs = *static_cast<const Message*>(all[r]);
            may_write_[1 - turn_].push_back(theirs.taken);
            stream.wait(theirs.sent);
            stream.copy(buffer + r * part_bytes + at, theirs.chunks + std::size_t(rank_) * chunk_bytes, n);
        }
        turn_ = 1 - turn_;
    }
}

}  // namespace tandem
