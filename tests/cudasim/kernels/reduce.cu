// Uses of CUB, block-level and device-level.
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"

namespace cudasim::kernels {
namespace {

__global__ void __launch_bounds__(256)
    reduce_and_scan_kernel(const int* __restrict__ in, int* __restrict__ sums, int* __restrict__ scan) {
    using Reduce = cub::BlockReduce<int, 256>;
    using Scan = cub::BlockScan<int, 256>;
    __shared__ union {
        typename Reduce::TempStorage reduce;
        typename Scan::TempStorage scan;
    } storage;
    const int v = in[blockIdx.x * 256 + threadIdx.x];
    const int total = Reduce(storage.reduce).Sum(v);
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
    __syncthreads();
    int before;
    Scan(storage.scan).ExclusiveSum(v, before);
    scan[blockIdx.x * 256 + threadIdx.x] = before;
}

}  // namespace

cudaError_t cub_blocks(const int* in, int* sums, int* scan, int blocks, cudaStream_t stream) {
    return launch(reduce_and_scan_kernel, dim3(blocks), dim3(256), 0, stream, in, sums, scan);
}
cudaError_t cub_sum(void* temporary, std::size_t& bytes, const float* in, float* out, int n, cudaStream_t stream) {
    return cub::DeviceReduce::Sum(temporary, bytes, in, out, n, stream);
}
cudaError_t cub_scan(void* temporary, std::size_t& bytes, const int* in, int* out, int n, cudaStream_t stream) {
    return cub::DeviceScan::ExclusiveSum(temporary, bytes, in, out, n, stream);
}
cudaError_t cub_sort(void* temporary, std::size_t& bytes, const unsigned* keys, unsigned* keys_out, const int* values,
                     int* values_out, int n, cudaStream_t stream) {
    return cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, keys_out, values, values_out, n, 0, 32, stream);
}

}  // namespace cudasim::kernels
