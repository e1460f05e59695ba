// Which units a rank has in its gather arena, where, and what it gathers next. Decided from sizes, schedules and the
// order of calls alone, never from what has arrived: every rank decides the same, and a dry run tells the arena's size.
#pragma once
#include <limits>
#include <utility>

#include "dist/arena.h"
#include "dist/schedule.h"

namespace tandem {

class Residency {
  public:
    struct Options {
        std::size_t capacity = std::numeric_limits<std::size_t>::max();
        int prefetch = 1;                  // units gathered ahead of their use
        bool keep_until_backward = false;  // a unit stays while the schedule names it again
    };
    // What the gather stream is to do, in this order.
    struct Order {
        enum Kind { gather, drop } kind;
        int unit;
        std::size_t offset;
        std::vector<Event> after;  // wait for these first
        bool frozen, trainable;    // what to gather
    };

    Residency(std::vector<std::size_t> unit_bytes, const Options& options)
        : bytes_(std::move(unit_bytes)), options_(options), arena_(options.capacity), slots_(bytes_.size()) {}

    void schedule(std::span<const int> units);
    void acquire(int unit);
    void release(int unit, const std::vector<Event>& after);
    void trainables_changed();  // what was gathered of them is stale
    std::vector<Order> take_orders() { return std::exchange(orders_, {}); }

    std::size_t offset(int unit) const { return slots_[std::size_t(unit)]->offset; }
    std::size_t high_water() const { return arena_.high_water(); }

  private:
    struct Slot {
        std::size_t offset;
        bool trainable = false;  // gathered, and not stale
        int holders = 0;
        std::vector<Event> after;  // ends of its leases
    };
    std::optional<Slot>& slot(int unit) { return slots_[std::size_t(unit)]; }
    enum class Gathered { frozen, all };  // before an optimizer step trainables are not worth gathering
    bool gather(int unit, Gathered what);
    void gather_trainable(int unit);
    void request_ahead(Gathered what);
    bool wanted(int unit) const;
    bool evict();
    void drop(int unit);

    std::vector<std::size_t> bytes_;
    Options options_;
    Arena arena_;
    Schedule schedule_;
    std::vector<std::optional<Slot>> slots_;  // by unit
    std::vector<Order> orders_;
};

// What an arena must hold so that no prefetch of these schedules has to wait. The capacity of `options` plays no part.
std::size_t arena_bytes(const std::vector<std::size_t>& unit_bytes, const std::vector<std::vector<int>>& schedules,
                        Residency::Options options);

}  // namespace tandem
