#include "runtime/layer.h"

#include "runtime/plan/recompute_plan.h"

namespace tandem {

// Within it, ops are counted (and on the plan device noted) as the second run of a block.
class RecomputeScope {
  public:
    RecomputeScope(Context& ctx, int unit) : ctx_(ctx), recorder_(ctx.recorder()) {
        recorder_.unit_ = unit;
        recorder_.op_ = 0;
        recorder_.in_forward_ = true;
        if (plan()) plan()->begin(unit);
    }
    void forward_done() { recorder_.in_forward_ = false; }
    ~RecomputeScope() {
        if (plan()) plan()->end(ctx_.memory());
        recorder_.unit_ = -1;
        recorder_.in_forward_ = false;
    }
    RecomputeScope(const RecomputeScope&) = delete;

  private:
    RecomputePlan* plan() { return ctx_.is_plan() ? recorder_.plan_ : nullptr; }
    Context& ctx_;
    Recorder& recorder_;
};

namespace {

bool has_trainables(LayerStore& store, int unit) { return store.units()[std::size_t(unit)].trainable_elements > 0; }

// Runs the tape of a block whose output has the gradient dy, and hands on the gradients of its trainables.
void backward_of(Context& ctx, LayerStore& store, int unit, Tape& tape) {
    if (!has_trainables(store, unit)) return tape.run(ctx);
    GradScope gradients(ctx, store, unit);
    tape.run(ctx);
    std::move(gradients).reduce();
}

// A block's input from forward to backward.
class KeptInput {
  public:
    KeptInput(Context& ctx, const Value& input, const Keep& keep) : input_(input) {
        if (!keep.inputs || !input.tensor()) return;
        inputs_ = keep.inputs;
        number_ = inputs_->keep(ctx, input);
        input_ = Value(Tensor(), input.slot());
    }
    Value bring(Context& ctx) const { return inputs_ ? Value(inputs_->take(ctx, number_), input_.slot()) : input_; }

  private:
    Value input_;
    std::shared_ptr<HostInputs> inputs_;
    std::size_t number_ = 0;
};

void recompute_and_backward(Context& ctx, LayerStore& store, int unit, const Value& input,
                            const std::function<Value(Context&, const Value&)>& body, Tensor dy) {
    RecomputeScope again(ctx, unit);
    LeaseScope lease(ctx, store, unit);
    Tape tape;
    {
        TapeScope record(ctx, &tape);
        Value y = body(ctx, input);
        if (!y.slot()) return;
        y.slot()->gradient = std::move(dy);
    }
    again.forward_done();
    backward_of(ctx, store, unit, tape);
}

}  // namespace

Value layer(Context& ctx, LayerStore& store, int unit, const Value& input, const Keep& keep,
            std::function<Value(Context&, const Value&)> body) {
    bool wanted = ctx.recording() && (input.slot() || has_trainables(store, unit));
    LeaseScope lease(ctx, store, unit);
    if (!wanted) {
        TapeScope quiet(ctx, nullptr);
        return Value(body(ctx, input).tensor());
    }
    if (keep.recompute == Recompute::block) {
        const KeptInput kept(ctx, input, keep);
        Tensor y = [&] {
            TapeScope quiet(ctx, nullptr);
            return body(ctx, input).tensor();
        }();
        Value out(y);
        ctx.backward(out, {Wants(true)}, [&store, unit, kept, body](Context& c, Tensor dy) {
            recompute_and_backward(c, store, unit, kept.bring(c), body, std::move(dy));
        });
        return out;
    }
    auto tape = std::make_shared<Tape>();
    GradSlotPtr last;
    Value out = [&] {
        TapeScope record(ctx, tape.get());
        Value y = body(ctx, input);
        last = y.slot();
        return Value(y.tensor());
    }();
    if (!last) return out;
    ctx.backward(out, {Wants(true)}, [&store, unit, tape, last](Context& c, Tensor dy) {
        LeaseScope again(c, store, unit);
        last->gradient = std::move(dy);
        backward_of(c, store, unit, *tape);
    });
    return out;
}

}  // namespace tandem
