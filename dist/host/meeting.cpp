#include "dist/host/meeting.h"

#include <fmt/core.h>

#include <string_view>

namespace tandem {

std::span<const void* const> Meeting::meet(int rank, const char* what, std::uint64_t tag, const void* brings) {
    std::unique_lock lock(mutex_);
    if (arrived_ == 0) {
        first_ = rank;
        what_ = what;
        tag_ = tag;
    } else if (tag != tag_ || std::string_view(what) != what_) {
        throw Error(
            fmt::format("[host] expected every rank to do the same, got {} {} on rank {} and {} {} on rank {}; start "
                        "all ranks with the same model, options and data",
                        what_, tag_, first_, what, tag, rank));
    }
    const std::uint64_t mine = generation_;
    std::vector<const void*>& brought = brought_[mine % 2];
    brought[std::size_t(rank)] = brings;
    if (++arrived_ == world_size_) {
        arrived_ = 0;
        generation_++;
        changed_.notify_all();
        return brought;
    }
    abort_.wait(changed_, lock, [&] { return generation_ != mine || left_ >= 0; });
    if (generation_ == mine)
        throw Error(fmt::format("[host] rank {} waits in {} {} for rank {}, which has ended", rank, what, tag, left_));
    return brought;
}

void Meeting::leave(int rank) {
    {
        std::lock_guard lock(mutex_);
        left_ = rank;
    }
    changed_.notify_all();
}

void Meeting::begin() {
    std::lock_guard lock(mutex_);
    arrived_ = 0;  // one that waited in vain, if its rank went on after the Error
    left_ = -1;
}

}  // namespace tandem
