#include "runtime/plan/recompute_plan.h"

#include <algorithm>
#include <set>

namespace tandem {

void RecomputePlan::end() {
    std::set<const Block*> live;
    std::vector<bool> needed;
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
        bool needs = !op->forward;
        for (const Block* b : op->writes) needs = needs || live.count(b);
        if (op->forward) needed.push_back(needs);
        if (!needs) continue;
        for (const Block* b : op->writes) live.erase(b);
        for (const Block* b : op->reads)
            if (b) live.insert(b);
    }
    std::reverse(needed.begin(), needed.end());
    needed_[unit_] = std::move(needed);
    unit_ = -1;
}

}  // namespace tandem
