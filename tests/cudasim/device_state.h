// What a kernel sees of itself.
#pragma once
#include <cstddef>

#include <vector_types.h>

// A stream's OS thread runs one block at a time, and fibers never move between OS threads, so thread-local variables
// refreshed at every switch are exact.
inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim{}, gridDim{};
inline constexpr int warpSize = 32;
