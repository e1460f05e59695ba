#include "tools/session/room/room.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

namespace tandem {

namespace {

constexpr std::size_t owners_named = 5;

std::size_t sum(const std::vector<std::size_t>& all) { return std::accumulate(all.begin(), all.end(), std::size_t(0)); }

using Bytes = std::map<std::string, std::size_t>;

const MemoryPlan::Phase* largest_phase(const MemoryPlan& plan) {
    auto found = std::max_element(plan.phases.begin(), plan.phases.end(),
                                  [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    return found == plan.phases.end() ? nullptr : &*found;
}

// The most that all of one name hold at once.
std::size_t most_alive(std::vector<std::pair<int, std::ptrdiff_t>> changes) {
    std::sort(changes.begin(), changes.end());  // at one time what dies before what is born
    std::ptrdiff_t now = 0, most = 0;
    for (const auto& [time, bytes] : changes) most = std::max(most, now += bytes);
    return std::size_t(most);
}

void add_owners(const MemoryPlan& plan, Bytes& bytes) {
    for (const MemoryPlan::Allocation& a : plan.persistent.allocations) bytes[a.name] += a.bytes;
    const MemoryPlan::Phase* phase = largest_phase(plan);
    if (!phase) return;
    std::map<std::string, std::vector<std::pair<int, std::ptrdiff_t>>> changes;
    for (const MemoryPlan::Allocation& a : phase->allocations) {
        changes[a.name].emplace_back(a.born, std::ptrdiff_t(a.bytes));
        changes[a.name].emplace_back(a.died, -std::ptrdiff_t(a.bytes));
    }
    for (auto& [name, c] : changes) bytes[name] += most_alive(std::move(c));
}

std::vector<Shortage::Owner> largest_first(const Bytes& bytes) {
    std::vector<Shortage::Owner> owners(bytes.begin(), bytes.end());
    std::stable_sort(owners.begin(), owners.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (owners.size() > owners_named) owners.resize(owners_named);
    return owners;
}

std::vector<Shortage::Owner> owners_of_ranks(const MemoryNeed& need, const std::vector<std::size_t>& ranks) {
    Bytes bytes;
    for (std::size_t r : ranks) add_owners(need.plans[r].device, bytes);
    return largest_first(bytes);
}

std::size_t threads_bytes(const MemoryNeed& need) { return std::size_t(need.threads) * address_space_of_thread(); }

std::vector<Shortage::Owner> owners_on_host(const MemoryNeed& need, HostLimit::Of of) {
    Bytes bytes;
    if (need.host_weights) bytes["host weights"] = need.host_weights;
    for (const RankPlan& p : need.plans) {
        if (need.cards.empty() && of != HostLimit::Of::pinned) add_owners(p.device, bytes);
        add_owners(p.host, bytes);
    }
    if (of == HostLimit::Of::pinned) return largest_first(bytes);
    if (of == HostLimit::Of::mapped) bytes["threads"] = threads_bytes(need);
    bytes["loading"] = sum(need.loading);
    bytes["saving"] = sum(need.saving);
    return largest_first(bytes);
}

const char* name_of(HostLimit::Of of) {
    switch (of) {
        case HostLimit::Of::resident: return "host memory";
        case HostLimit::Of::mapped: return "address space";
        case HostLimit::Of::pinned: return "page-locked host memory";
    }
    return "";
}

void add_host(const MemoryNeed& need, const Room& room, std::vector<Shortage>& all) {
    for (HostLimit::Of of : {HostLimit::Of::resident, HostLimit::Of::mapped, HostLimit::Of::pinned}) {
        const HostLimit* limit = room.tightest(of);
        if (!limit || need.host(of) <= limit->bytes) continue;
        all.push_back({name_of(of), need.host(of), limit->bytes, limit->source, owners_on_host(need, of)});
    }
}

void add_cards(const MemoryNeed& need, const Room& room, std::vector<Shortage>& all) {
    std::map<int, std::vector<std::size_t>> ranks;
    for (std::size_t r = 0; r < need.cards.size(); r++) {
        ranks[need.cards[r]].push_back(r);
        const std::size_t bytes = need.plans[r].device.slab_bytes();
        if (room.rank_on_card && bytes > *room.rank_on_card)
            all.push_back({fmt::format("memory of card {} for rank {}", need.cards[r], r), bytes, *room.rank_on_card,
                           setting("gpu_memory"), owners_of_ranks(need, {r})});
    }
    for (const auto& [ordinal, on_card] : ranks) {
        auto card = room.cards.find(ordinal);
        if (card == room.cards.end()) continue;
        std::size_t bytes = 0;
        for (std::size_t r : on_card) bytes += need.plans[r].device.slab_bytes();
        if (bytes > card->second.free)
            all.push_back({fmt::format("memory of card {} ({})", ordinal, card->second.name), bytes, card->second.free,
                           "what is free there now", owners_of_ranks(need, on_card)});
    }
}

}  // namespace

// Loading ends before the first phase touches its part of a slab; saving begins when all of it was.
std::size_t MemoryNeed::host(HostLimit::Of of) const {
    std::size_t persistent = 0, slabs = 0, pinned = host_weights;
    for (const RankPlan& p : plans) {
        if (cards.empty()) persistent += p.device.persistent.bytes, slabs += p.device.slab_bytes();
        pinned += p.host.slab_bytes();
    }
    switch (of) {
        case HostLimit::Of::resident: return pinned + std::max(persistent + sum(loading), slabs + sum(saving));
        case HostLimit::Of::mapped:
            return pinned + slabs + std::max(sum(loading), sum(saving)) + threads_bytes(*this);
        case HostLimit::Of::pinned: return cards.empty() ? 0 : pinned;
    }
    return 0;
}

std::vector<Shortage::Owner> largest_of_rank(const MemoryNeed& need, std::size_t rank) {
    return owners_of_ranks(need, {rank});
}

const HostLimit* Room::tightest(HostLimit::Of of) const {
    const HostLimit* least = nullptr;
    for (const HostLimit& l : host)
        if (l.of == of && (!least || l.bytes < least->bytes)) least = &l;
    return least;
}

std::vector<Shortage> shortages(const MemoryNeed& need, const Room& room) {
    std::vector<Shortage> all;
    add_host(need, room, all);
    add_cards(need, room, all);
    std::stable_sort(all.begin(), all.end(),
                     [](const Shortage& a, const Shortage& b) { return a.missing() > b.missing(); });
    return all;
}

std::size_t missing(const std::vector<Shortage>& all) {
    std::size_t bytes = 0;
    for (const Shortage& s : all) bytes += s.missing();
    return bytes;
}

Advice advise(std::size_t changes, std::size_t missing_now,
              const std::function<std::optional<std::size_t>(const std::vector<std::size_t>&)>& missing_with) {
    Advice advice{{}, missing_now};
    for (std::size_t i = 0; i < changes && advice.missing > 0; i++) {
        std::vector<std::size_t> more = advice.changes;
        more.push_back(i);
        std::optional<std::size_t> left = missing_with(more);
        if (left && *left < advice.missing) advice = {more, *left};
    }
    if (advice.missing > 0) return advice;
    for (std::size_t n = advice.changes.size(); n-- > 0;) {  // what costs most to change goes first
        std::vector<std::size_t> fewer = advice.changes;
        fewer.erase(fewer.begin() + std::ptrdiff_t(n));
        std::optional<std::size_t> left = fewer.empty() ? missing_now : missing_with(fewer);
        if (left && *left == 0) advice.changes = fewer;
    }
    return advice;
}

std::string size_text(std::size_t bytes) {
    return bytes < 10'000'000'000u ? fmt::format("{:.1f} MB", double(bytes) / 1e6)
                                   : fmt::format("{:.2f} GB", double(bytes) / 1e9);
}

std::string refusal(const Shortage& s, const Advice& advice, const std::string& settings) {
    std::string text = fmt::format("the run needs {} bytes of {}, but there are {} ({})\n  largest:", s.needed,
                                   s.memory, s.left, s.source);
    for (std::size_t i = 0; i < s.owners.size(); i++)
        text += fmt::format("{} {} {}", i ? "," : "", s.owners[i].first, size_text(s.owners[i].second));
    if (advice.missing == 0) return text + "\n  this fits: " + settings;
    text += "\n  nothing that was tried fits: ";
    text += settings.empty() ? "the run as it is" : fmt::format("the smallest, with {},", settings);
    return text + fmt::format(" is {} bytes ({}) too large; take a smaller model, or a machine with more memory",
                              advice.missing, size_text(advice.missing));
}

}  // namespace tandem
