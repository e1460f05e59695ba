#include "runtime/cuda/check.h"

#include <fmt/core.h>

#include <cstdio>

#include "runtime/error.h"

namespace tandem::cuda {

namespace {

std::string advice(cudaError_t status) {
    switch (status) {
        case cudaErrorMemoryAllocation:
            return "lower " + setting("context_length") + ", " + setting("batch_size") + " or use more cards";
        case cudaErrorNoDevice:
        case cudaErrorInsufficientDriver:
            return "install NVIDIA's driver for this CUDA version, or set " + setting("gpus") + " to cpu";
        case cudaErrorInvalidDevice: return "set " + setting("gpus") + " to a card that nvidia-smi lists";
        case cudaErrorNoKernelImageForDevice: return "build for this card with -DTANDEM_CUDA_ARCHITECTURES";
        default: return "the card's state may be lost: start the program again; what is saved stays";
    }
}

std::string describe(cudaError_t status, const char* call, const std::source_location& where) {
    int device = -1;
    std::size_t free = 0, total = 0;
    std::string state;
    if (cudaGetDevice(&device) == cudaSuccess && status != cudaErrorNoDevice && status != cudaErrorInsufficientDriver) {
        state = fmt::format(" on device {}", device);
        if (cudaMemGetInfo(&free, &total) == cudaSuccess) state += fmt::format(" ({} of {} bytes free)", free, total);
    }
    (void)cudaGetLastError();
    return fmt::format("[cuda] {} failed{} at {}:{}: {}; {}", call, state, where.file_name(), where.line(),
                       cudaGetErrorString(status), advice(status));
}

}  // namespace

void check(cudaError_t status, const char* call, std::source_location where) {
    if (status != cudaSuccess) throw Error(describe(status, call, where), where);
}

void warn(cudaError_t status, const char* call, std::source_location where) noexcept {
    if (status == cudaSuccess) return;
    try {
        std::fprintf(stderr, "tandem: %s\n", worded(describe(status, call, where)).c_str());
    } catch (...) {  // no memory for the message: there is nothing left to say
    }
}

}  // namespace tandem::cuda
