#include "runtime/cuda/cards.h"

#include <fmt/core.h>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>

#include "runtime/abort.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/staging.h"

namespace tandem {

std::vector<Card> cards() {
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
        (void)cudaGetLastError();
        return {};
    }
    cuda::check(status, "cudaGetDeviceCount");
    std::vector<Card> all;
    for (int d = 0; d < count; d++) {
        cudaDeviceProp p;
        cuda::check(cudaGetDeviceProperties(&p, d), "cudaGetDeviceProperties");
        OnDevice here(d);
        std::size_t free = 0, total = 0;
        cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        all.push_back({d, p.name, p.major, p.minor, p.multiProcessorCount, total, free});
    }
    return all;
}

std::string kernels_of_card(int ordinal) {
    cudaDeviceProp p;
    cuda::check(cudaGetDeviceProperties(&p, ordinal), "cudaGetDeviceProperties");
    return fmt::format("sm_{}{} cublasLt-{}", p.major, p.minor, cublasLtGetVersion());
}

namespace {

constexpr std::size_t pattern_bytes = 1u << 20;

// Copies a pattern from `owner`'s memory and compares it.
bool bytes_arrive(int reader, int owner) {
    AbortSignal never;
    CudaStream on_owner(owner, CudaStream::Priority::normal, {&never});
    CudaStream on_reader(reader, CudaStream::Priority::normal, {&never});
    DeviceSlab source(owner, pattern_bytes), target(reader, pattern_bytes);
    std::vector<std::uint32_t> sent(pattern_bytes / 4), got(pattern_bytes / 4);
    for (std::size_t i = 0; i < sent.size(); i++) sent[i] = std::uint32_t(i) * 2654435761u + std::uint32_t(reader);
    Staging up(owner, on_owner), down(reader, on_reader);
    up.upload(source.data(), std::as_bytes(std::span(sent)));
    on_reader.wait(on_owner.record());
    cuda::check(cudaMemcpyPeerAsync(target.data(), reader, source.data(), owner, pattern_bytes, on_reader.handle()),
                "cudaMemcpyPeerAsync");
    down.download(std::as_writable_bytes(std::span(got)), target.data());
    return sent == got;
}

}  // namespace

bool verified_peer_access(int reader, int owner) {
    if (reader == owner) return true;
    int can = 0;
    cuda::check(cudaDeviceCanAccessPeer(&can, reader, owner), "cudaDeviceCanAccessPeer");
    if (!can) return false;
    {
        OnDevice here(reader);
        cudaError_t status = cudaDeviceEnablePeerAccess(owner, 0);
        if (status == cudaErrorPeerAccessAlreadyEnabled)
            (void)cudaGetLastError();
        else
            cuda::check(status, "cudaDeviceEnablePeerAccess");
    }
    return bytes_arrive(reader, owner);
}

}  // namespace tandem
