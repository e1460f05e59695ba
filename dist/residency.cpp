#include "dist/residency.h"

#include <fmt/core.h>

namespace tandem {

void Residency::schedule(std::span<const int> units) {
    schedule_.begin(units);
    for (int u = 0; u < int(slots_.size()); u++)
        if (slot(u) && slot(u)->holders == 0 && !wanted(u)) drop(u);
    request_ahead(Gathered::frozen);  // an optimizer step may come before the first use
}

void Residency::acquire(int unit) {
    schedule_.take(unit);
    if (!slot(unit)) {
        while (!gather(unit, Gathered::all))
            if (!evict())
                throw Error(fmt::format(
                    "[store] unit {} ({} bytes) has no room beside the units leased now in a gather arena of "
                    "{} bytes; let go of them first, or allow a larger arena",
                    unit, bytes_[std::size_t(unit)], options_.capacity));
    } else if (!slot(unit)->trainable) {
        gather_trainable(unit);
    }
    slot(unit)->holders++;
    request_ahead(Gathered::all);
}

void Residency::release(int unit, const std::vector<Event>& after) {
    Slot& s = *slot(unit);
    s.after.insert(s.after.end(), after.begin(), after.end());
    if (--s.holders == 0 && !wanted(unit)) drop(unit);
    request_ahead(Gathered::all);
}

void Residency::trainables_changed() {
    for (int u = 0; u < int(slots_.size()); u++) {
        if (!slot(u)) continue;
        if (slot(u)->holders > 0)
            throw Error(fmt::format("[store] masters were updated under a lease of unit {}; let go of it first", u));
        slot(u)->trainable = false;
    }
}

bool Residency::gather(int unit, Gathered what) {
    const bool trainable = what == Gathered::all;
    std::optional<Arena::Grant> place = arena_.place(bytes_[std::size_t(unit)]);
    if (!place) return false;
    slot(unit) = Slot{place->offset, trainable, 0, {}};
    orders_.push_back({Order::gather, unit, place->offset, std::move(place->after), true, trainable});
    return true;
}

void Residency::gather_trainable(int unit) {
    Slot& s = *slot(unit);
    s.trainable = true;
    orders_.push_back({Order::gather, unit, s.offset, s.after, false, true});
}

// Strictly in the schedule's order: a later unit never takes the room of an earlier one.
void Residency::request_ahead(Gathered what) {
    for (int unit : schedule_.ahead(std::size_t(options_.prefetch))) {
        if (!slot(unit)) {
            if (!gather(unit, what)) return;
        } else if (what == Gathered::all && !slot(unit)->trainable) {
            gather_trainable(unit);
        }
    }
}

// Whether to keep what nobody holds. The use after the prefetched ones is included: the next acquire asks for it
// anyway.
bool Residency::wanted(int unit) const {
    std::span<const int> uses =
        options_.keep_until_backward ? schedule_.rest() : schedule_.ahead(std::size_t(options_.prefetch) + 1);
    return std::find(uses.begin(), uses.end(), unit) != uses.end();
}

// Drops the unit whose next use is farthest; false when every one is held.
bool Residency::evict() {
    std::span<const int> uses = schedule_.rest();
    int farthest = -1;
    std::ptrdiff_t distance = -1;
    for (int u = 0; u < int(slots_.size()); u++) {
        if (!slot(u) || slot(u)->holders > 0) continue;
        std::ptrdiff_t d = std::find(uses.begin(), uses.end(), u) - uses.begin();
        if (d > distance) {
            farthest = u;
            distance = d;
        }
    }
    if (farthest >= 0) drop(farthest);
    return farthest >= 0;
}

void Residency::drop(int unit) {
    Slot s = *std::exchange(slot(unit), std::nullopt);
    arena_.free(s.offset, bytes_[std::size_t(unit)], s.after);
    orders_.push_back({Order::drop, unit, s.offset, std::move(s.after), false, false});
}

std::size_t arena_bytes(const std::vector<std::size_t>& unit_bytes, const std::vector<std::vector<int>>& schedules,
                        Residency::Options options) {
    options.capacity = Residency::Options().capacity;
    std::size_t most = 0;
    for (const std::vector<int>& schedule : schedules) {
        Residency dry(unit_bytes, options);
        dry.schedule(schedule);
        for (int unit : schedule) {
            dry.acquire(unit);
            dry.release(unit, {});
        }
        most = std::max(most, dry.high_water());
    }
    return most;
}

}  // namespace tandem
