// What an op says of itself: what is kept, skipped, planned or timed follows from this one description.
#pragma once
#include <initializer_list>

#include "runtime/autograd.h"
#include "runtime/cost.h"

namespace tandem {

// A tensor or a parameter that an op reads. One that is not there (no bias, no addend) may be named all the same.
class Read {
  public:
    Read(const Tensor& t) : tensor_(&t) {}
    Read(const Value& v) : tensor_(&v.tensor()) {}
    Read(const Param& p) : param_(&p) {}
    const Tensor* tensor() const { return tensor_; }  // null: a parameter
    const Param* param() const { return param_; }     // null: a tensor

  private:
    const Tensor* tensor_ = nullptr;
    const Param* param_ = nullptr;
};

// What an op changes that was there before it: a tensor in place, or where a gradient goes. It counts as read, too.
class Written {
  public:
    Written(const Tensor& t) : tensor_(&t) {}
    Written(const Value& v) : tensor_(&v.tensor()) {}
    Written(const GradOut& g) : tensor_(&g.out), addend_(&g.addend), param_(g.param ? &g.param : nullptr) {}
    const Tensor& tensor() const { return *tensor_; }
    const Tensor* addend() const { return addend_; }
    const Param* param() const { return param_; }  // whose gradient it is; null: of no parameter

  private:
    const Tensor* tensor_;
    const Tensor* addend_ = nullptr;
    const Param* param_ = nullptr;
};

struct Op {
    const char* name;
    Cost cost;
    std::initializer_list<Read> reads;
    std::initializer_list<Written> writes = {};
};

// A tensor that an op makes: `run` allocates it, and gives it to the kernel and to the caller.
struct Output {
    Shape shape;
    DType dtype;
    const char* name;
    std::int64_t elements() const { return shape.elements(); }
    std::size_t bytes() const { return std::size_t(elements()) * size_of(dtype); }
};
inline Output like(const Tensor& t, const char* name) { return {t.shape(), t.dtype(), name}; }

}  // namespace tandem
