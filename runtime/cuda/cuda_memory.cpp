#include "runtime/cuda/cuda_memory.h"

#include <fmt/core.h>

#include <cuda_runtime_api.h>

#include "runtime/cuda/check.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/error.h"
#ifdef CUDASIM
#include <cudasim.h>
#endif

namespace tandem {

namespace {

class CudaHeapMemory final : public Memory {
  public:
    CudaHeapMemory(int ordinal, Place place) : ordinal_(ordinal), on_host_(place == Place::host) {}
    void begin(std::string_view) override {}
    void end() override {}

  private:
    Block place(std::size_t bytes, Category category, std::string_view) override {
        OnDevice here(ordinal_);
        void* data = nullptr;
        const std::size_t some = std::max<std::size_t>(bytes, 1);
        cuda::check(on_host_ ? cudaMallocHost(&data, some) : cudaMalloc(&data, some), "cudaMalloc");
        return {static_cast<std::byte*>(data), bytes, category};
    }
    void release(const Block& block) override {
        cuda::warn(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        cuda::warn(on_host_ ? cudaFreeHost(block.data) : cudaFree(block.data), "cudaFree");
    }

    const int ordinal_;
    const bool on_host_;
};

}  // namespace

DeviceSlab::DeviceSlab(int ordinal, std::size_t bytes) : ordinal_(ordinal) {
    if (bytes == 0) return;
    OnDevice here(ordinal);
    void* data = nullptr;
    cudaError_t status = cudaMalloc(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
        std::size_t free = 0, total = 0;
        cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        (void)cudaGetLastError();
        throw DoesNotFit(fmt::format(
            "[memory] the rank needs {} bytes on device {}, which has {} of {} free; close what else runs there, or "
            "lower {}, {} or use more cards",
            bytes, ordinal, free, total, setting("context_length"), setting("batch_size")));
    }
    cuda::check(status, "cudaMalloc(the rank's memory)");
    data_ = static_cast<std::byte*>(data);
}

DeviceSlab::~DeviceSlab() {
    if (data_) cuda::warn(cudaFree(data_), "cudaFree");
}

std::unique_ptr<Memory> make_cuda_heap_memory(int ordinal, Place place) {
    return std::make_unique<CudaHeapMemory>(ordinal, place);
}

Memory::Watch extent_watch() {
#ifdef CUDASIM
    return [](const std::byte* data, std::size_t bytes) { cudasim::declare_suballocation(data, bytes); };
#else
    return {};
#endif
}

}  // namespace tandem
