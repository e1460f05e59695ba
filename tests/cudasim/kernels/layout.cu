// One mma and one ldmatrix of each kind with every element addressed by hand, from the layout algebra rather than from
// the emulation's own formulas; and bf16x2 arithmetic in a warp.
#include <cstring>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"
#include "tests/cudasim/ptx_emulation.h"

namespace cudasim::kernels {
namespace {

// Element i of a lane's fragment, written as CuTe writes SM80_16x8x16: lanes (4, 8) and values by strides over m + 16k.
__device__ int a_index(int lane, int i) { return lane % 4 * 32 + lane / 4 + i % 2 * 16 + i / 2 % 2 * 8 + i / 4 * 128; }
__device__ int b_index(int lane, int i) { return lane % 4 * 16 + lane / 4 + i % 2 * 8 + i / 2 * 64; }  // n + 8k
__device__ int d_index(int lane, int i) { return lane % 4 * 32 + lane / 4 + i % 2 * 16 + i / 2 * 8; }  // m + 16n

__global__ void one_mma_kernel(const bf16* __restrict__ a, const bf16* __restrict__ b, float* __restrict__ d) {
    const int lane = threadIdx.x;
    bf16 a_values[8], b_values[4];
    for (int i = 0; i < 8; ++i) a_values[i] = a[a_index(lane, i)];
    for (int i = 0; i < 4; ++i) b_values[i] = b[b_index(lane, i)];
    std::uint32_t a_registers[4], b_registers[2];
    std::memcpy(a_registers, a_values, sizeof a_registers);
    std::memcpy(b_registers, b_values, sizeof b_registers);
    float sum[4] = {};
    ptx::mma_m16n8k16_bf16(sum, a_registers, b_registers);
    for (int i = 0; i < 4; ++i) d[d_index(lane, i)] = sum[i];
}

__global__ void every_ldmatrix_kernel(const std::uint16_t* __restrict__ in, std::uint32_t* __restrict__ out) {
    __shared__ __align__(16) std::uint16_t m[4 * 64];
    const int lane = threadIdx.x;
    for (int i = lane; i < 256; i += 32) m[i] = in[i];
    __syncwarp();
    std::uint32_t four[4], two[2];
    ptx::ldmatrix_x4(four, m + lane * 8);
    for (int i = 0; i < 4; ++i) out[i * 32 + lane] = four[i];
    ptx::ldmatrix_x4_trans(four, m + lane * 8);
    for (int i = 0; i < 4; ++i) out[128 + i * 32 + lane] = four[i];
    const std::uint16_t* row = lane < 16 ? m + lane * 8 : nullptr;  // the addresses of lanes 16 to 31 are ignored
    ptx::ldmatrix_x2(two, row);
    for (int i = 0; i < 4; ++i) out[256 + i * 32 + lane] = i < 2 ? two[i] : 0;
    ptx::ldmatrix_x2_trans(two, row);
    for (int i = 0; i < 4; ++i) out[384 + i * 32 + lane] = i < 2 ? two[i] : 0;
}

__global__ void bf16_pair_sum_kernel(const __nv_bfloat162* __restrict__ in, __nv_bfloat162* __restrict__ out) {
    const __nv_bfloat162 own = in[threadIdx.x], two = __bfloat162bfloat162(__float2bfloat16(2.0f));
    __nv_bfloat162 v = __hfma2(own, two, __hadd2(own, own));
    for (int d = 16; d; d /= 2) v = __hadd2(v, __shfl_down_sync(0xffffffffu, v, d));
    if (threadIdx.x == 0) *out = v;
}

}  // namespace

cudaError_t one_mma(const bf16* a, const bf16* b, float* d, cudaStream_t stream) {
    return launch(one_mma_kernel, dim3(1), dim3(32), 0, stream, a, b, d);
}
cudaError_t every_ldmatrix(const std::uint16_t* in, std::uint32_t* out, cudaStream_t stream) {
    return launch(every_ldmatrix_kernel, dim3(1), dim3(32), 0, stream, in, out);
}
cudaError_t bf16_pair_sum(const __nv_bfloat162* in, __nv_bfloat162* out, cudaStream_t stream) {
    return launch(bf16_pair_sum_kernel, dim3(1), dim3(32), 0, stream, in, out);
}

}  // namespace cudasim::kernels
