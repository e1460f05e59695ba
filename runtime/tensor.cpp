#include "runtime/tensor.h"

#include <fmt/core.h>

namespace tandem {

void Tensor::refuse_as(DType wanted) const {
    throw Error(fmt::format("[tensor] expected {}, got {} {}", name_of(wanted), name_of(dtype_), shape_.text()));
}

Tensor Tensor::reshape(const Shape& shape) const {
    if (shape.elements() != elements())
        throw Error(fmt::format("[tensor] cannot view {} as {}", shape_.text(), shape.text()));
    Tensor t = *this;
    t.shape_ = shape;
    return t;
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
    if (begin < 0 || end < begin || end > shape_[0])
        throw Error(fmt::format("[tensor] no rows {} to {} in {}", begin, end, shape_.text()));
    Shape s{end - begin};
    for (int i = 1; i < shape_.rank(); i++) s.push(shape_[i]);
    Tensor t = *this;
    if (data_ && shape_[0]) t.data_ += bytes() / std::size_t(shape_[0]) * std::size_t(begin);
    t.shape_ = s;
    return t;
}

}  // namespace tandem
