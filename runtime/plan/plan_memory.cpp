#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/memory.h"

namespace tandem {

namespace {

constexpr int forever = std::numeric_limits<int>::max();

// What each category holds at its highest.
Ledger peaks(const MemoryPlan& plan) {
    std::vector<std::pair<int, const MemoryPlan::Allocation*>> events;  // a birth or a death
    auto add = [&](const MemoryPlan::Phase& p) {
        for (const MemoryPlan::Allocation& a : p.allocations) {
            events.emplace_back(a.born, &a);
            if (a.died != forever) events.emplace_back(a.died, &a);
        }
    };
    add(plan.persistent);
    for (const MemoryPlan::Phase& p : plan.phases) add(p);
    std::sort(events.begin(), events.end());
    Ledger ledger;
    for (const auto& [time, a] : events)
        if (time == a->born) ledger.add(a->category, a->bytes);
        else ledger.remove(a->category, a->bytes);
    return ledger;
}

// Of each allocation, those that live at the same time as it.
std::vector<std::vector<std::size_t>> found_together(const std::vector<MemoryPlan::Allocation>& all) {
    std::vector<std::vector<std::size_t>> with(all.size());
    std::vector<std::size_t> alive;
    for (std::size_t i = 0; i < all.size(); i++) {  // in the order of birth
        std::erase_if(alive, [&](std::size_t j) { return all[j].died <= all[i].born; });
        for (std::size_t j : alive) {
            with[i].push_back(j);
            with[j].push_back(i);
        }
        alive.push_back(i);
    }
    return with;
}

// Largest first; each at the lowest offset where it overlaps nothing that lives at the same time.
std::size_t pack_phase(MemoryPlan::Phase& phase, std::size_t base) {
    std::vector<MemoryPlan::Allocation>& all = phase.allocations;
    const std::vector<std::vector<std::size_t>> together = found_together(all);
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return all[a].bytes > all[b].bytes; });
    std::vector<char> placed(all.size(), false);
    std::size_t top = base;
    for (std::size_t i : order) {
        std::vector<std::pair<std::size_t, std::size_t>> taken;  // from, to
        for (std::size_t j : together[i])
            if (placed[j]) taken.emplace_back(all[j].offset, align_up(all[j].offset + all[j].bytes));
        std::sort(taken.begin(), taken.end());
        std::size_t at = base;
        for (const auto& [from, to] : taken) {
            if (at + all[i].bytes <= from) break;
            at = std::max(at, to);
        }
        all[i].offset = at;
        placed[i] = true;
        top = std::max(top, at + align_up(all[i].bytes));
    }
    return top;
}

}  // namespace

void MemoryPlan::pack() {
    std::size_t at = 0;
    for (Allocation& a : persistent.allocations) {
        a.offset = at;
        at += align_up(a.bytes);
    }
    persistent.bytes = at;
    for (Phase& p : phases) p.bytes = pack_phase(p, persistent.bytes) - persistent.bytes;
}

std::size_t MemoryPlan::slab_bytes() const {
    std::size_t most = 0;
    for (const Phase& p : phases) most = std::max(most, p.bytes);
    return persistent.bytes + most;
}

void PlanMemory::begin(std::string_view name) {
    if (phase_ >= 0) throw Error(fmt::format("[plan] phase {} begins inside another", name));
    auto& phases = plan_.phases;
    auto found = std::find_if(phases.begin(), phases.end(), [&](const auto& p) { return p.name == name; });
    again_ = found != phases.end();
    if (!again_) {
        phases.push_back({std::string(name), {}, 0});
        found = std::prev(phases.end());
    }
    phase_ = int(found - phases.begin());
}

void PlanMemory::end() {
    phase_ = -1;
    again_ = false;
}

Block PlanMemory::place(std::size_t bytes, Category category, std::string_view name) {
    if (again_) return {nullptr, bytes, category, unrecorded};
    std::vector<MemoryPlan::Allocation>& all = list(phase_);
    all.push_back({std::string(name), category, bytes, 0, clock_++, forever});
    return {nullptr, bytes, category, phase_, all.size() - 1};
}

void PlanMemory::release(const Block& block) {
    if (block.phase == unrecorded || block.phase != phase_) return;  // left over: lives on
    list(block.phase)[block.ticket].died = clock_++;
}

void PlanMemory::forget(const Block& block) {
    if (block.phase == unrecorded) return;
    MemoryPlan::Allocation& a = list(block.phase)[block.ticket];
    a.died = a.born;
}

MemoryPlan PlanMemory::plan() const {
    MemoryPlan packed = plan_;
    for (MemoryPlan::Phase& p : packed.phases)
        std::erase_if(p.allocations, [](const auto& a) { return a.died == a.born; });
    packed.ledger = peaks(packed);
    packed.pack();
    return packed;
}

}  // namespace tandem
