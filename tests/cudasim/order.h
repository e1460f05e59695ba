// Finds pairs of stream operations that touch the same bytes with nothing ordering them. It runs when operations are
// ENQUEUED, from program order, events and host waits alone, so it is deterministic: no unlucky timing is needed.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace cudasim {

// Vector clock: entry s counts the operations of stream s known to have finished before.
using Clock = std::vector<std::uint32_t>;
void join(Clock& into, const Clock& from);

// A stream operation as the checker sees it. Its name lives as long as the process.
struct Step {
    const char* name = nullptr;
    int stream = 0;
    std::uint32_t tick = 0;
};

// Not thread-safe: the simulator's lock guards it.
class OrderChecker {
  public:
    void add_allocation(const void* p, std::size_t bytes);
    void remove_allocation(const void* p);
    // An allocator carved [p, p + bytes) out of an allocation: a pointer into it reaches no further than its end.
    // False: it lies in no allocation.
    bool declare(const void* p, std::size_t bytes);
    // The bytes a bare pointer argument may reach: to the next boundary. 0: outside all allocations.
    std::size_t reach(const void* p) const;
    // Notes an access by a step that follows everything in `before`, its own tick included. Returns a description when
    // it races, else "".
    std::string access(const void* p, std::size_t bytes, bool write, const Step& step, const Clock& before);
    std::size_t segments() const;  // how much is noted

  private:
    // Who wrote these bytes last, and who read them since: at most one note per stream.
    struct Segment {
        const char* end;
        Step write;
        std::vector<Step> reads;
    };
    struct Allocation {
        const char* end;
        std::set<const char*> boundaries;
        std::map<const char*, Segment> segments;  // disjoint, by their begin; bytes in none were never touched
    };
    using Allocations = std::map<const char*, Allocation>;

    Allocations::const_iterator find(const char* p) const;
    static void split(Allocation& a, const char* at);
    static void merge(Allocation& a, const char* begin, const char* end);

    Allocations allocations_;
};

}  // namespace cudasim
