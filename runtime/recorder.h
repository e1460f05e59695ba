// What of a rank's work is recorded: the tape, where gradients gather, and which ops of a recomputed block run again.
#pragma once
#include <span>
#include <vector>

#include "runtime/autograd.h"
#include "runtime/device.h"

namespace tandem {

class RecomputePlan;
struct Op;

class Recorder {
  public:
    // `plan`: which ops of a recomputed block to skip, found on the plan device; may be null.
    Recorder(RecomputePlan* plan, DeviceKind device) : plan_(plan), on_plan_(device == DeviceKind::plan) {}

    bool recording() const { return tape_ != nullptr; }
    void backward(Value& y, Backward backward);  // puts it on the tape and gives y its slot
    bool recomputing() const { return unit_ >= 0; }

    // A backward asks where a parameter's gradient goes, and an op of it names that gradient: what was asked for and
    // not named when the backward ends is an Error.
    void run_backward(Context& ctx, const Backward& backward, Tensor dy);
    void ask(const Param& param) {
        if (backwards_ > 0) asked_.push_back(param);
    }
    void named(const Op& op);

    bool skips_next();  // op of this block, which makes nothing that backward reads
    void note(const Op& op, std::span<const Tensor> made);  // on the plan device

  private:
    friend class TapeScope;
    friend class RecomputeScope;
    RecomputePlan* const plan_;
    const bool on_plan_;
    Tape* tape_ = nullptr;     // null: not recording
    int unit_ = -1;            // that is recomputed, or -1
    std::size_t op_ = 0;       // ops of its forward so far
    bool in_forward_ = false;
    int backwards_ = 0;  // that run, within each other
    std::vector<Param> asked_;
};

}  // namespace tandem
