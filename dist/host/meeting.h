// Where threads of one process meet, one per rank.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/abort.h"

namespace tandem {

class Meeting {
  public:
    Meeting(int world_size, const AbortSignal& abort) : abort_(abort), world_size_(world_size) {
        for (auto& b : brought_) b.resize(std::size_t(world_size));
    }

    // Waits until every rank has come; all must come for the same `what` and `tag`. Returns what each rank brought, in
    // rank order, which stands until the caller's next meeting here. Wakes and throws when the run is aborted or when
    // a rank has left.
    std::span<const void* const> meet(int rank, const char* what, std::uint64_t tag, const void* brings);

    // This rank comes no more: an Error in whoever waits for it.
    void leave(int rank);

    // All ranks come again, and nobody waits. While no thread is in meet() or leave().
    void begin();

  private:
    const AbortSignal& abort_;
    const int world_size_;
    std::mutex mutex_;
    std::condition_variable changed_;
    int arrived_ = 0, first_ = 0, left_ = -1;
    const char* what_ = "";  // of the first that came
    std::uint64_t tag_ = 0;
    std::uint64_t generation_ = 0;
    // Of this generation and the one before: nobody writes into the latter until all have come to this one.
    std::array<std::vector<const void*>, 2> brought_;
};

}  // namespace tandem
