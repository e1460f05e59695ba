#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/memory.h"

namespace tandem {

namespace {

// Largest first; each at the lowest offset where it overlaps nothing that lives at the same time.
std::size_t pack_phase(MemoryPlan::Phase& phase, std::size_t base) {
    std::vector<MemoryPlan::Allocation>& all = phase.allocations;
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return all[a].bytes > all[b].bytes; });
    std::vector<std::size_t> placed;  // by offset
    std::size_t top = base;
    for (std::size_t i : order) {
        std::size_t at = base;
        for (std::size_t j : placed) {
            bool together = all[i].born < all[j].died && all[j].born < all[i].died;
            if (!together) continue;
            if (at + all[i].bytes <= all[j].offset) break;
            at = std::max(at, align_up(all[j].offset + all[j].bytes));
        }
        all[i].offset = at;
        top = std::max(top, at + align_up(all[i].bytes));
        auto after = std::upper_bound(placed.begin(), placed.end(), at,
                                      [&](std::size_t offset, std::size_t j) { return offset < all[j].offset; });
        placed.insert(after, i);
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
    clock_ = 0;
}

void PlanMemory::end() { phase_ = -1; }

Block PlanMemory::place(std::size_t bytes, Category category, std::string_view name) {
    bool persistent = phase_ < 0;
    if (!persistent && again_) return {nullptr, bytes, category, -1, 0};
    auto& list = persistent ? plan_.persistent.allocations : plan_.phases[std::size_t(phase_)].allocations;
    list.push_back({std::string(name), category, bytes, 0, clock_++, std::numeric_limits<int>::max()});
    return {nullptr, bytes, category, phase_, list.size() - 1};
}

void PlanMemory::release(const Block& block) {
    if (block.phase < 0 || block.phase != phase_) return;  // persistent, or left over: lives on
    plan_.phases[std::size_t(phase_)].allocations[block.ticket].died = clock_++;
}

MemoryPlan PlanMemory::plan() const {
    MemoryPlan packed = plan_;
    packed.ledger = ledger();
    packed.pack();
    return packed;
}

}  // namespace tandem
