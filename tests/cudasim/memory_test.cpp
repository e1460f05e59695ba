// Memory, copies, devices, limits.
#include <doctest/doctest.h>

#include <cstring>

#include "tests/cudasim/kernels/support.h"
#include "tests/cudasim/settings.h"

using namespace cudasim;

namespace {

bool reported(const char* words) {
    const auto reports = take_reports();
    return reports.size() == 1 && reports[0].find(words) != std::string::npos;
}
constexpr int n = 128;

}  // namespace

TEST_CASE("cudasim: device memory is capped, counted and poisoned") {
    std::size_t before = 0, during = 0, total = 0;
    must(cudaMemGetInfo(&before, &total));
    CHECK(total == settings().memory);
    void* p = nullptr;
    CHECK(cudaMalloc(&p, before + 1) == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
    {
        const DeviceArray<float> a(1000);
        must(cudaMemGetInfo(&during, &total));
        CHECK(before - during == 4000);
        CHECK(std::isnan(a.get()[3]));
        CHECK(reinterpret_cast<std::uintptr_t>(static_cast<float*>(a)) % 256 == 0);
    }
    must(cudaMemGetInfo(&during, &total));
    CHECK(before == during);
    CHECK(cudaMalloc(&p, 0) == cudaSuccess);
    CHECK(p == nullptr);
    CHECK(cudaFree(nullptr) == cudaSuccess);
    int local = 0;
    CHECK(cudaFree(&local) == cudaErrorInvalidValue);
    CHECK(reported("not allocated so"));
    cudaGetLastError();
}

TEST_CASE("cudasim: copies of every kind, and kinds that do not fit") {
    const Stream s;
    const PinnedArray<int> in(n), out(n);
    for (int i = 0; i < n; ++i) in[i] = i;
    const DeviceArray<int> a(n), b(n);
    must(cudaMemcpyAsync(a, in, n * 4, cudaMemcpyHostToDevice, s));
    must(cudaMemcpyAsync(b, a, n * 4, cudaMemcpyDeviceToDevice, s));
    must(cudaMemcpyAsync(out, b, n * 4, cudaMemcpyDefault, s));
    must(cudaMemcpyAsync(out, out + 1, 4, cudaMemcpyHostToHost, s));
    s.synchronize();
    CHECK(out[0] == 1);
    CHECK(out[n - 1] == n - 1);
    CHECK(cudaMemcpyAsync(a, in, n * 4, cudaMemcpyDeviceToDevice, s) == cudaErrorInvalidValue);
    CHECK(reported("kind"));
    CHECK(cudaMemcpyAsync(a, in, n * 4 + 4, cudaMemcpyHostToDevice, s) == cudaErrorInvalidValue);
    CHECK(reported("past the end"));
    std::vector<int> pageable(n);
    CHECK(cudaMemcpyAsync(pageable.data(), a, n * 4, cudaMemcpyDeviceToHost, s) == cudaErrorInvalidValue);
    CHECK(reported("pageable"));
    CHECK(cudaMemsetAsync(a + n, 0, 4, s) == cudaErrorInvalidValue);
    CHECK(reported("outside"));
    cudaGetLastError();
}

TEST_CASE("cudasim: registered host memory is page-locked until it is unregistered") {
    const Stream s;
    std::vector<int> host(n, 7);
    const DeviceArray<int> a(n);
    CHECK(cudaHostRegister(host.data(), n * 4, cudaHostRegisterDefault) == cudaSuccess);
    CHECK(cudaHostRegister(host.data() + 1, 4, cudaHostRegisterDefault) == cudaErrorHostMemoryAlreadyRegistered);
    cudaPointerAttributes attributes;
    must(cudaPointerGetAttributes(&attributes, host.data() + 3));
    CHECK(attributes.type == cudaMemoryTypeHost);
    CHECK(attributes.hostPointer == host.data() + 3);
    must(cudaMemcpyAsync(a, host.data(), n * 4, cudaMemcpyHostToDevice, s));
    CHECK(cudaHostUnregister(host.data()) == cudaSuccess);
    CHECK(a.get()[5] == 7);
    CHECK(cudaHostUnregister(host.data()) == cudaErrorHostMemoryNotRegistered);
    must(cudaPointerGetAttributes(&attributes, host.data()));
    CHECK(attributes.type == cudaMemoryTypeUnregistered);
    must(cudaPointerGetAttributes(&attributes, a + 1));
    CHECK(attributes.type == cudaMemoryTypeDevice);
    CHECK(attributes.device == 0);
    cudaGetLastError();
}

TEST_CASE("cudasim: another device's memory is copied freely, and touched with peer access only") {
    must(cudaSetDevice(1));
    const DeviceArray<float> far(std::vector<float>(n, 2.0f));
    must(cudaSetDevice(0));
    const DeviceArray<float> near(n);
    const Stream s;
    CHECK(cudaMemcpyPeerAsync(near, 0, far, 1, n * 4, s) == cudaSuccess);
    CHECK(near.get()[7] == 2);
    CHECK(cudaMemcpyPeerAsync(near, 1, far, 1, n * 4, s) == cudaErrorInvalidValue);
    CHECK(reported("devices"));
    CHECK(kernels::scale_and_shift(far, near, n, s) == cudaErrorIllegalAddress);
    CHECK(reported("without peer access"));
    int can = -1;
    must(cudaDeviceCanAccessPeer(&can, 0, 1));
    CHECK(can == settings().peer);
    if (!settings().peer) {
        CHECK(cudaDeviceEnablePeerAccess(1, 0) == cudaErrorPeerAccessUnsupported);
    } else {
        CHECK(cudaDeviceEnablePeerAccess(1, 0) == cudaSuccess);
        CHECK(cudaDeviceEnablePeerAccess(1, 0) == cudaErrorPeerAccessAlreadyEnabled);
        CHECK(kernels::scale_and_shift(far, near, n, s) == cudaSuccess);
        CHECK(near.get()[7] == 5);
    }
    CHECK(cudaDeviceEnablePeerAccess(0, 0) == cudaErrorInvalidDevice);
    cudaGetLastError();
}

TEST_CASE("cudasim: devices tell what they are") {
    int count = 0, value = 0, version = 0;
    CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
    CHECK(count == settings().devices);
    CHECK(cudaSetDevice(count) == cudaErrorInvalidDevice);
    CHECK(std::strcmp(cudaGetErrorString(cudaGetLastError()), "invalid device ordinal") == 0);
    CHECK(std::strcmp(cudaGetErrorName(cudaErrorNoDevice), "cudaErrorNoDevice") == 0);
    must(cudaDriverGetVersion(&version));
    CHECK(version == CUDART_VERSION);
    must(cudaRuntimeGetVersion(&version));
    CHECK(version == CUDART_VERSION);
    cudaDeviceProp properties;
    must(cudaGetDeviceProperties(&properties, 1));
    CHECK(properties.totalGlobalMem == settings().memory);
    must(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 1));
    CHECK(std::size_t(value) == properties.sharedMemPerBlockOptin);
    CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrCooperativeLaunch, 0) == cudaErrorInvalidValue);
    CHECK(reported("attribute"));
    char bus[16];
    must(cudaDeviceGetPCIBusId(bus, sizeof bus, 1));
    CHECK(std::strcmp(bus, "0000:02:00.0") == 0);
    cudaGetLastError();
}

namespace {
__global__ void limits_kernel(float*) {}
}  // namespace

TEST_CASE("cudasim: kernels have limits, names and an occupancy") {
    const Stream s;
    const DeviceArray<float> a(n);
    float* data = a;
    const auto* f = reinterpret_cast<const void*>(limits_kernel);
    CHECK(launch(limits_kernel, dim3(1), dim3(1025), 0, s, data) == cudaErrorInvalidConfiguration);
    CHECK(reported("block size"));
    CHECK(launch(limits_kernel, dim3(0), dim3(32), 0, s, data) == cudaErrorInvalidConfiguration);
    CHECK(reported("grid"));
    CHECK(launch(limits_kernel, dim3(1), dim3(32), 50 << 10, s, data) == cudaErrorInvalidValue);
    CHECK(reported("shared memory"));
    cudaFuncAttributes attributes;
    must(cudaFuncGetAttributes(&attributes, f));
    CHECK(attributes.maxDynamicSharedSizeBytes == 48 << 10);
    const auto most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    CHECK(cudaFuncSetAttribute(f, most, 100 << 10) == cudaErrorInvalidValue);
    CHECK(cudaFuncSetAttribute(f, most, 99 << 10) == cudaSuccess);
    CHECK(launch(limits_kernel, dim3(1), dim3(32), 50 << 10, s, data) == cudaSuccess);
    const char* name = nullptr;
    must(cudaFuncGetName(&name, f));
    CHECK(std::string(name).find("limits_kernel") != std::string::npos);
    int blocks = 0;
    must(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 256, 0));
    CHECK(blocks == 6);
    must(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 128, 40 << 10));
    CHECK(blocks == 2);
    must(cudaDeviceSynchronize());
    cudaGetLastError();
}
