#include "dist/arena.h"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/error.h"

namespace tandem {

std::optional<Arena::Grant> Arena::place(std::size_t bytes) {
    std::size_t at = 0;
    auto before = used_.begin();
    for (; before != used_.end() && at + bytes > before->begin; ++before) at = before->end;
    if (bytes > capacity_ - at) return std::nullopt;
    used_.insert(before, {at, at + bytes, {}});
    high_water_ = std::max(high_water_, at + bytes);
    return Grant{at, claim(at, at + bytes)};
}

// Takes the freed bytes in [begin, end) and returns what they wait for; what sticks out of it stays freed.
std::vector<Event> Arena::claim(std::size_t begin, std::size_t end) {
    std::vector<Event> after;
    std::vector<Range> left;
    for (Range& r : freed_) {
        if (r.end <= begin || r.begin >= end) {
            left.push_back(std::move(r));
            continue;
        }
        after.insert(after.end(), r.after.begin(), r.after.end());
        if (r.begin < begin) left.push_back({r.begin, begin, r.after});
        if (r.end > end) left.push_back({end, r.end, r.after});
    }
    freed_ = std::move(left);
    return after;
}

void Arena::free(std::size_t offset, std::size_t bytes, std::vector<Event> after) {
    auto found = std::find_if(used_.begin(), used_.end(),
                              [&](const Range& r) { return r.begin == offset && r.end == offset + bytes; });
    if (found == used_.end()) throw Error(fmt::format("[arena] no buffer of {} bytes at {} to free", bytes, offset));
    used_.erase(found);
    if (bytes > 0) freed_.push_back({offset, offset + bytes, std::move(after)});
}

}  // namespace tandem
