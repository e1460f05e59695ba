// Kernel-side functions that the toolkit declares only for nvcc.
#pragma once
#include "tests/cudasim/builtins/atomics.h"
#include "tests/cudasim/builtins/bits.h"
#include "tests/cudasim/builtins/maths.h"
#include "tests/cudasim/builtins/sync.h"
#include "tests/cudasim/builtins/warp.h"
