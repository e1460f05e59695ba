// Two buffers in one allocation, used in turn from its two ends: one may still be reduced while the next is written.
#pragma once
#include <array>
#include <vector>

#include "runtime/stream.h"

namespace tandem {

// Bytes for the largest two that may be there at once: uses that follow each other in a schedule, leaving out units of
// no bytes.
std::size_t gradient_arena_bytes(const std::vector<std::size_t>& unit_bytes,
                                 const std::vector<std::vector<int>>& schedules);

class GradientBuffers {
  public:
    explicit GradientBuffers(std::size_t capacity) : capacity_(capacity) {}
    std::size_t capacity() const { return capacity_; }

    // The place of the next buffer. `user` waits for what was there.
    std::size_t take(std::size_t bytes, Stream& user);
    void give_back(Event reduced);  // of the buffer taken last

  private:
    struct Use {
        std::size_t begin = 0, end = 0;
        Event free;
    };
    std::size_t capacity_;
    std::array<Use, 2> ends_;  // at the bottom and at the top
    int turn_ = 0;             // of ends_
    bool taken_ = false;
};

}  // namespace tandem
