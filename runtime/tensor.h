// A contiguous array on a rank's device. Copies share the memory, which is given back when the last one goes.
#pragma once
#include <memory>
#include <utility>

#include "runtime/dtype.h"
#include "runtime/memory.h"
#include "runtime/shape.h"

namespace tandem {

class Tensor {
  public:
    Tensor() = default;
    Tensor(std::shared_ptr<Block> block, Shape shape, DType dtype)
        : block_(std::move(block)), data_(block_->data), shape_(shape), dtype_(dtype) {}
    // A view of memory that somebody else keeps: a lease, a checkpoint's map. data is null on the plan device.
    Tensor(const std::byte* data, Shape shape, DType dtype)
        : data_(const_cast<std::byte*>(data)), shape_(shape), dtype_(dtype) {}

    const Shape& shape() const { return shape_; }
    std::int64_t dim(int i) const { return shape_[i]; }
    std::int64_t rows() const { return shape_.rows(); }  // product of all dimensions but the last
    std::int64_t elements() const { return shape_.elements(); }
    DType dtype() const { return dtype_; }
    std::size_t bytes() const { return std::size_t(elements()) * size_of(dtype_); }
    std::byte* data() const { return data_; }
    template <class T> T* as() const {
        if (dtype_of<T> != dtype_) refuse_as(dtype_of<T>);
        return reinterpret_cast<T*>(data_);
    }

    // Views; the memory is kept as long as they live.
    Tensor reshape(const Shape& shape) const;
    Tensor slice(std::int64_t begin, std::int64_t end) const;  // of the first dimension

    const std::shared_ptr<Block>& block() const {
        return block_;
    }  // null for views of foreign memory and for empty ones
    explicit operator bool() const { return shape_.rank() > 0; }

  private:
    [[noreturn]] void refuse_as(DType wanted) const;
    std::shared_ptr<Block> block_;
    std::byte* data_ = nullptr;
    Shape shape_;
    DType dtype_ = DType::f32;
};

}  // namespace tandem
