#include "runtime/cuda/pinned_slab.h"

#include <fmt/core.h>

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include "runtime/cuda/check.h"
#include "runtime/error.h"

namespace tandem {

PinnedSlab::PinnedSlab(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        throw DoesNotFit(fmt::format("[memory] the system has no {} bytes of page-locked memory; use less", bytes));
    cudaError_t status = cudaHostRegister(data, bytes, cudaHostRegisterPortable);
    if (status != cudaSuccess) {
        munmap(data, bytes);
        cuda::check(status, "cudaHostRegister");
    }
    data_ = static_cast<std::byte*>(data);
}

PinnedSlab::~PinnedSlab() {
    if (!data_) return;
    cuda::warn(cudaHostUnregister(data_), "cudaHostUnregister");
    munmap(data_, bytes_);
}

}  // namespace tandem
