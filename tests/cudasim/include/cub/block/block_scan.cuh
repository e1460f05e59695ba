#pragma once
#include "tests/cudasim/include/cub/cub.cuh"
