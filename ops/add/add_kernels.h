// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct AddForward {
    Tensor a, b;
    Tensor y;  // may be a or b
};
void add_forward(const CpuDevice& device, const AddForward& args);
void add_forward(const CudaDevice& device, const AddForward& args);

}  // namespace tandem
