// tandem.Tensor: a tensor in host memory that tandem or another library made, shared by DLPack.
#pragma once
#include <nanobind/nanobind.h>

#include "runtime/tensor.h"
#include "tools/python/src/types.h"

namespace tandem::python {

namespace nb = nanobind;

struct Array {
    Tensor tensor;
    bool read_only = false;
};

// Of tandem's own: aligned to memory_alignment. Unlike a rank's memory it may be freed in any thread.
Tensor new_tensor(const Shape& shape, DType dtype);

// A view of a part of `owner`, which lives as long.
Tensor part_of(const Tensor& owner, std::size_t offset, const Shape& shape, DType dtype);

// An Array as it is; anything else by its __dlpack__, without a copy.
Array as_array(nb::handle x);

// `what` is float32 or bfloat16, its last dimension `width`: an InputError if not.
void check_rows(const Tensor& x, std::int64_t width, const char* where, const char* what);

}  // namespace tandem::python
