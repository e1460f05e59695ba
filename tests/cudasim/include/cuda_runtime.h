// Shadows the toolkit's header. The toolkit's own headers compile under g++ as they are; this adds only what they
// declare for nvcc alone. The functions they declare are defined here, and libcudart is not linked.
#pragma once
#define __launch_bounds__(...)
#undef __shared__  // cuda_bf16.h, when included first, has defined it as nothing
// Hidden: so that symbols.h can tell it from the host's own thread-local variables.
#define __shared__ static thread_local __attribute__((visibility("hidden")))
#include_next <cuda_runtime.h>

#include "tests/cudasim/builtins/builtins.h"
