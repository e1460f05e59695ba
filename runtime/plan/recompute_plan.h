// Which ops of a recomputed block make something that its backward reads. Found on the plan device; elsewhere the
// others are skipped (the product of down_proj is not computed again).
#pragma once
#include <map>
#include <vector>

#include "runtime/memory.h"

namespace tandem {

class RecomputePlan {
  public:
    struct OpRecord {
        bool forward;  // of the block run again; else of its backward
        std::vector<std::uint64_t> reads, writes;  // ids of blocks
        std::vector<Block> made;                   // by the op itself
    };
    // On the plan device: notes the ops of one unit's recomputation and backward, in order.
    void begin(int unit) {
        unit_ = unit;
        ops_.clear();
    }
    void note(OpRecord op) { ops_.push_back(std::move(op)); }
    void end(Memory& memory);  // in which what the others made was planned: it is not allocated

    // Whether op number i of the unit's block is needed; true for what was never planned.
    bool needed(int unit, std::size_t i) const {
        auto found = needed_.find(unit);
        return found == needed_.end() || i >= found->second.size() || found->second[i];
    }

  private:
    int unit_ = -1;
    std::vector<OpRecord> ops_;
    std::map<int, std::vector<bool>> needed_;
};

}  // namespace tandem
