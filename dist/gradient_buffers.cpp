#include "dist/gradient_buffers.h"

#include <algorithm>

#include "runtime/error.h"

namespace tandem {

std::size_t gradient_arena_bytes(const std::vector<std::size_t>& unit_bytes,
                                 const std::vector<std::vector<int>>& schedules) {
    std::size_t most = *std::max_element(unit_bytes.begin(), unit_bytes.end());
    for (const std::vector<int>& schedule : schedules) {
        std::size_t before = 0;
        for (int unit : schedule) {
            std::size_t bytes = unit_bytes[std::size_t(unit)];
            if (bytes == 0) continue;
            most = std::max(most, before + bytes);
            before = bytes;
        }
    }
    return most;
}

// Earlier uses of the same bytes were waited for by the last use of their end.
std::size_t GradientBuffers::take(std::size_t bytes, Stream& user) {
    if (taken_) throw Error("[store] gradients of two units are leased at once; reduce the first one before");
    Use& mine = ends_[std::size_t(turn_)];
    const Use& other = ends_[std::size_t(1 - turn_)];
    user.wait(mine.free);
    mine.begin = turn_ == 0 ? 0 : capacity_ - bytes;
    mine.end = mine.begin + bytes;
    if (mine.begin < other.end && other.begin < mine.end) user.wait(other.free);
    taken_ = true;
    return mine.begin;
}

void GradientBuffers::give_back(Event reduced) {
    ends_[std::size_t(turn_)].free = std::move(reduced);
    turn_ = 1 - turn_;
    taken_ = false;
}

}  // namespace tandem
