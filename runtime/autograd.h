// A tape of closures. An op's backward sits beside its forward; what the closure captures is what is kept.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "runtime/tensor.h"

namespace tandem {

class Context;

// Where the gradient of a value gathers. Shared by the value, its producer's entry on the tape and its consumers'.
struct GradSlot {
    Shape shape;
    DType dtype;
    Tensor gradient;  // empty until the first consumer has written
};
using GradSlotPtr = std::shared_ptr<GradSlot>;

// A tensor in the graph. Capture a Value where backward needs the data, only its slot() where it does not.
class Value {
  public:
    Value() = default;
    explicit Value(Tensor tensor) : tensor_(std::move(tensor)) {}  // no gradient is wanted
    Value(Tensor tensor, GradSlotPtr slot) : tensor_(std::move(tensor)), slot_(std::move(slot)) {}
    operator const Tensor&() const { return tensor_; }
    const Tensor& tensor() const { return tensor_; }
    const GradSlotPtr& slot() const { return slot_; }  // null: no gradient wanted
    void set_slot(GradSlotPtr slot) { slot_ = std::move(slot); }

    const Shape& shape() const { return tensor_.shape(); }
    std::int64_t dim(int i) const { return tensor_.dim(i); }
    std::int64_t rows() const { return tensor_.rows(); }
    std::int64_t elements() const { return tensor_.elements(); }
    DType dtype() const { return tensor_.dtype(); }
    std::size_t bytes() const { return tensor_.bytes(); }

  private:
    Tensor tensor_;
    GradSlotPtr slot_;
};

// A parameter by its place in its unit, never by address: an op resolves it through the lease that its rank holds.
struct Param {
    int unit = -1;
    bool trainable = false;
    std::int64_t offset = 0;  // frozen: bytes in the frozen blob; trainable: elements in the trainable blob
    Shape shape;
    DType dtype = DType::f32;  // frozen: as stored; trainable: the compute type
    explicit operator bool() const { return unit >= 0; }
    bool is_same(const Param& o) const { return unit == o.unit && trainable == o.trainable && offset == o.offset; }
};

// Where a gradient goes: out = addend + gradient. The addend is empty, `out` itself, or another tensor of the same
// shape and type. An empty out: nobody wants it.
struct GradOut {
    Tensor out, addend;
    Param param = {};  // whose gradient it is; of a value: none
    explicit operator bool() const { return bool(out); }
};

using Backward = std::function<void(Context&, Tensor dy)>;  // dy is the op's to drop

class Tape {
  public:
    void push(GradSlotPtr slot, Backward backward) { entries_.push_back({std::move(slot), std::move(backward)}); }
    // Last entry first; each is destroyed, with what it kept, as soon as it has run.
    void run(Context& ctx);

  private:
    struct Entry {
        GradSlotPtr slot;
        Backward backward;
    };
    std::vector<Entry> entries_;
};

}  // namespace tandem
