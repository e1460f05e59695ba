// tandem's element types in DLPack.
#pragma once
#include "tools/python/src/dlpack.h"
#include "runtime/dtype.h"

namespace tandem::python {

dlpack::DLDataType dlpack_type(DType t);
DType dtype_of_dlpack(dlpack::DLDataType t);  // an InputError for one that tandem does not have

}  // namespace tandem::python
