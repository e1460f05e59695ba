// What memory a run needs, whether there is as much, and what to change where there is not.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/memory.h"
#include "tools/session/room/host_memory.h"

namespace tandem {

struct MemoryNeed {
    std::vector<RankPlan> plans;       // by rank
    std::vector<int> cards;            // by rank; empty: CPU ranks, whose device is the host
    std::vector<std::size_t> loading;  // by rank: host memory while weights are loaded, before the first phase
    std::vector<std::size_t> saving;   // by rank: host memory while results are written
    std::size_t host_weights = 0;      // of all ranks together, page-locked for cards
    int threads = 0;                   // of all ranks

    std::size_t host(HostLimit::Of of) const;
};

struct Room {
    struct Card {
        std::string name;
        std::size_t free;
    };
    std::vector<HostLimit> host;
    std::map<int, Card> cards;                // by ordinal
    std::optional<std::size_t> rank_on_card;  // most that a rank may take

    // The tightest of its kind; null where there is no limit.
    const HostLimit* tightest(HostLimit::Of of) const;
};

// A memory of which there is too little.
struct Shortage {
    using Owner = std::pair<std::string, std::size_t>;  // an allocation's name, the most bytes alive at once
    std::string memory;                                 // "host memory"
    std::size_t needed, left;
    std::string source;         // of what is left
    std::vector<Owner> owners;  // largest first

    std::size_t missing() const { return needed - left; }
};

// Of a rank's own memory, by allocations' names: the largest first.
std::vector<Shortage::Owner> largest_of_rank(const MemoryNeed& need, std::size_t rank);

// The one that lacks most first.
std::vector<Shortage> shortages(const MemoryNeed& need, const Room& room);
std::size_t missing(const std::vector<Shortage>& all);

// Which of a fixed list of changes let a run fit.
struct Advice {
    std::vector<std::size_t> changes;  // where it fits, none superfluous
    std::size_t missing;               // bytes with all that help; 0: it fits
};

// Takes each change that helps, in their order, until nothing is missing; then leaves out those that are not needed.
// `missing_with` plans a run with these changes; none: there is no such run.
Advice advise(std::size_t changes, std::size_t missing_now,
              const std::function<std::optional<std::size_t>(const std::vector<std::size_t>&)>& missing_with);

// What a refused user is told. `settings`: the changes, as settings.
std::string refusal(const Shortage& shortage, const Advice& advice, const std::string& settings);

std::string size_text(std::size_t bytes);  // "12.3 MB", "38.02 GB"

}  // namespace tandem
