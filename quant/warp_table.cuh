// A table of sixteen floats in the registers of a warp: lane l keeps entry l % 16, and a look-up is a shuffle, which
// costs neither an address nor a bank of shared memory. So all lanes of a warp look up together.
#pragma once
#include <cstdint>

#include "runtime/cuda/warp.cuh"

namespace tandem {

class WarpTable {
  public:
    __device__ __forceinline__ explicit WarpTable(const float* values) : mine_(values[threadIdx.x % 16]) {}
    // The bits above the lowest four are ignored.
    __device__ __forceinline__ float operator[](std::uint32_t code) const {
        return __shfl_sync(all_lanes, mine_, int(code), 16);
    }

  private:
    float mine_;
};

}  // namespace tandem
