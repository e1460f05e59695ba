// tandem's element types in Python and in DLPack.
#pragma once
#include <string>

#include "runtime/dtype.h"
#include "tools/python/src/dlpack.h"

namespace tandem::python {

// "float32", "bfloat16": as numpy and torch call it.
const char* python_name(DType t);
DType dtype_named(const std::string& name);  // an InputError for another

dlpack::DLDataType dlpack_type(DType t);
DType dtype_of_dlpack(dlpack::DLDataType t);  // an InputError for one that tandem does not have

}  // namespace tandem::python
