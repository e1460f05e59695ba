// The one way kernels are launched.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "runtime/cuda/check.h"
#ifdef CUDASIM
#include <cudasim.h>
#endif

namespace tandem {

struct LaunchConfig {
    dim3 grid, block;
    std::size_t shared_bytes = 0;  // dynamic; at most 99 KB, which every card since sm_86 has for one block
    cudaStream_t stream = nullptr;
};

// An empty grid launches nothing. Throws where the launch is refused; what fails later shows at the next wait.
template <class... P, class... A> void launch(void (*kernel)(P...), const LaunchConfig& c, A&&... args) {
    if (c.grid.x == 0 || c.grid.y == 0 || c.grid.z == 0) return;
    if (c.shared_bytes > 48 * 1024)
        cuda::check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                         cudaFuncAttributeMaxDynamicSharedMemorySize, int(c.shared_bytes)),
                    "cudaFuncSetAttribute(dynamic shared memory)");
#ifdef CUDASIM
    cuda::check(cudasim::launch(kernel, c.grid, c.block, c.shared_bytes, c.stream, static_cast<P>(args)...),
                "kernel launch");
#else
    cudaLaunchConfig_t config{};
    config.gridDim = c.grid;
    config.blockDim = c.block;
    config.dynamicSmemBytes = c.shared_bytes;
    config.stream = c.stream;
    cuda::check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), "kernel launch");
#endif
}

// A block's dynamic shared memory, 128-byte aligned: the one way to it, for kernels also run on a host.
template <class T> __device__ __forceinline__ T* dynamic_shared() {
#ifdef CUDASIM
    return static_cast<T*>(cudasim::dynamic_shared());
#else
    extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];
    return reinterpret_cast<T*>(dynamic_shared_bytes);
#endif
}

}  // namespace tandem
