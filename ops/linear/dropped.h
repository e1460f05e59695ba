// A LoRA's input behind its dropout.
#pragma once
#include <optional>

#include "runtime/context.h"
#include "runtime/random_site.h"

namespace tandem {

struct DropoutMask {
    RandomSite site;
    double p;
    RandomState random;
};
// drop(x) as it is, or x and a mask that is still to be applied: by the kernels that read x, on CUDA alone.
struct Dropped {
    Tensor x;
    std::optional<DropoutMask> mask;
};

}  // namespace tandem
