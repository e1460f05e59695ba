#include "tests/cudasim/order.h"

#include <algorithm>

namespace cudasim {
namespace {

bool same(const Step& a, const Step& b) { return a.name == b.name && a.stream == b.stream && a.tick == b.tick; }

bool ordered(const Step& earlier, const Clock& before) {
    if (!earlier.name) return true;
    return std::size_t(earlier.stream) < before.size() && before[earlier.stream] >= earlier.tick;
}

std::string describe(const Step& now, bool writes, const Step& earlier, bool wrote, std::size_t bytes) {
    return std::string("unordered access: ") + now.name + (writes ? " writes" : " reads") + " on stream " +
           std::to_string(now.stream) + " what " + earlier.name + (wrote ? " wrote" : " read") + " on stream " +
           std::to_string(earlier.stream) + " (" + std::to_string(bytes) + " bytes), nothing orders them";
}

}  // namespace

void join(Clock& into, const Clock& from) {
    if (into.size() < from.size()) into.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

void OrderChecker::add_allocation(const void* p, std::size_t bytes) {
    const auto* begin = static_cast<const char*>(p);
    allocations_[begin] = {begin + bytes, {}, {}};
}
void OrderChecker::remove_allocation(const void* p) { allocations_.erase(static_cast<const char*>(p)); }

OrderChecker::Allocations::const_iterator OrderChecker::find(const char* p) const {
    auto it = allocations_.upper_bound(p);
    if (it == allocations_.begin() || p >= std::prev(it)->second.end) return allocations_.end();
    return std::prev(it);
}

bool OrderChecker::declare(const void* p, std::size_t bytes) {
    const auto* begin = static_cast<const char*>(p);
    const auto found = find(begin);
    if (found == allocations_.end() || begin + bytes > found->second.end) return false;
    auto& boundaries = allocations_.at(found->first).boundaries;
    boundaries.erase(boundaries.upper_bound(begin), boundaries.lower_bound(begin + bytes));
    boundaries.insert(begin);
    boundaries.insert(begin + bytes);
    return true;
}

std::size_t OrderChecker::reach(const void* p) const {
    const auto* begin = static_cast<const char*>(p);
    const auto found = find(begin);
    if (found == allocations_.end()) return 0;
    const auto next = found->second.boundaries.upper_bound(begin);
    return std::size_t((next == found->second.boundaries.end() ? found->second.end : *next) - begin);
}

// Makes `at` the begin of a segment if it lies within one.
void OrderChecker::split(Allocation& a, const char* at) {
    auto it = a.segments.lower_bound(at);
    if (it == a.segments.begin()) return;
    --it;
    if (it->second.end <= at || it->first == at) return;
    Segment right = it->second;
    it->second.end = at;
    a.segments.emplace(at, std::move(right));
}

// Joins neighbours in [begin, end] that hold the same notes, so that reads of ever other ranges do not pile up.
void OrderChecker::merge(Allocation& a, const char* begin, const char* end) {
    auto it = a.segments.lower_bound(begin);
    if (it != a.segments.begin()) --it;
    while (it != a.segments.end() && it->first <= end) {
        auto next = std::next(it);
        const bool equal = next != a.segments.end() && it->second.end == next->first &&
                           same(it->second.write, next->second.write) &&
                           std::ranges::equal(it->second.reads, next->second.reads, same);
        if (!equal) {
            it = next;
            continue;
        }
        it->second.end = next->second.end;
        a.segments.erase(next);
    }
}

std::string OrderChecker::access(const void* p, std::size_t bytes, bool write, const Step& step, const Clock& before) {
    const auto* begin = static_cast<const char*>(p);
    const auto found = find(begin);
    if (found == allocations_.end() || bytes == 0) return "";
    Allocation& a = allocations_.at(found->first);
    const char* const end = std::min(begin + bytes, a.end);
    split(a, begin);
    split(a, end);
    std::string race;
    const char* noted = begin;  // bytes before it have their segment
    std::vector<const char*> gaps;
    for (auto it = a.segments.lower_bound(begin); it != a.segments.end() && it->first < end; ++it) {
        Segment& s = it->second;
        const auto found_race = [&](const Step& earlier, bool wrote) {
            if (race.empty()) race = describe(step, write, earlier, wrote, std::size_t(s.end - it->first));
        };
        if (!ordered(s.write, before)) found_race(s.write, true);
        if (write) {
            for (const Step& read : s.reads)
                if (!ordered(read, before)) found_race(read, false);
            continue;
        }
        // A read that this one follows can never race again without this one racing too.
        std::erase_if(s.reads, [&](const Step& read) { return ordered(read, before); });
        s.reads.push_back(step);
        if (noted < it->first) gaps.insert(gaps.end(), {noted, it->first});
        noted = s.end;
    }
    if (write) {
        a.segments.erase(a.segments.lower_bound(begin), a.segments.lower_bound(end));
        a.segments.emplace(begin, Segment{end, step, {}});
    } else {
        if (noted < end) gaps.insert(gaps.end(), {noted, end});
        for (std::size_t i = 0; i < gaps.size(); i += 2) a.segments.emplace(gaps[i], Segment{gaps[i + 1], {}, {step}});
        merge(a, begin, end);
    }
    return race;
}

std::size_t OrderChecker::segments() const {
    std::size_t n = 0;
    for (const auto& [begin, a] : allocations_) n += a.segments.size();
    return n;
}

}  // namespace cudasim
