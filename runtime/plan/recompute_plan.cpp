#include "runtime/plan/recompute_plan.h"

#include <algorithm>
#include <set>

namespace tandem {

void RecomputePlan::end(Memory& memory) {
    std::set<std::uint64_t> live;
    std::vector<bool> needed;
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
        bool needs = !op->forward;
        for (std::uint64_t id : op->writes) needs = needs || live.count(id);
        if (op->forward) needed.push_back(needs);
        if (needs) {
            for (std::uint64_t id : op->writes) live.erase(id);
            live.insert(op->reads.begin(), op->reads.end());
        } else {
            for (const Block& b : op->made) memory.forget(b);
        }
    }
    std::reverse(needed.begin(), needed.end());
    needed_[unit_] = std::move(needed);
    unit_ = -1;
}

}  // namespace tandem
