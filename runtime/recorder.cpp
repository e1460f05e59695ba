#include "runtime/recorder.h"

#include <fmt/core.h>

#include "runtime/op.h"
#include "runtime/plan/recompute_plan.h"

namespace tandem {

void Recorder::backward(Value& y, Backward backward) {
    auto slot = std::make_shared<GradSlot>(GradSlot{y.shape(), y.dtype(), {}});
    y.set_slot(slot);
    tape_->push(std::move(slot), std::move(backward));
}

void Recorder::run_backward(Context& ctx, const Backward& backward, Tensor dy) {
    struct Running {
        int& depth;
        ~Running() { depth--; }
    };
    if (backwards_++ == 0) asked_.clear();
    {
        const Running until_it_ends{backwards_};
        backward(ctx, std::move(dy));
    }
    if (!asked_.empty())
        throw Error(fmt::format("[tape] the gradient of a parameter of unit {} was asked for, and no op names it",
                                asked_.front().unit));
}

void Recorder::named(const Op& op) {
    for (const Written& w : op.writes)
        if (w.param()) std::erase_if(asked_, [&](const Param& p) { return p.is_same(*w.param()); });
}

bool Recorder::skips_next() {
    return plan_ && !on_plan_ && recomputing() && in_forward_ && !plan_->needed(unit_, op_++);
}

void Recorder::note(const Op& op, std::span<const Tensor> made) {
    if (!plan_ || !recomputing()) return;
    RecomputePlan::OpRecord record{in_forward_, {}, {}, {}};
    auto add = [](std::vector<std::uint64_t>& to, const Tensor& t) {
        if (t.block()) to.push_back(t.block()->id);
    };
    for (const Read& r : op.reads)
        if (r.tensor()) add(record.reads, *r.tensor());
    for (const Written& w : op.writes) {
        add(record.reads, w.tensor());
        add(record.writes, w.tensor());
        if (w.addend()) add(record.reads, *w.addend());
    }
    for (const Tensor& t : made) {
        add(record.writes, t);
        record.made.push_back(*t.block());
    }
    plan_->note(std::move(record));
}

}  // namespace tandem
