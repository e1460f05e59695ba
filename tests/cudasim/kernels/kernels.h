// Kernels that the simulator's own tests run: right ones, and ones with one planted mistake each.
#pragma once
#include <cuda_runtime.h>

// After cuda_runtime.h.
#include <cuda_bf16.h>

#include <cstdint>

namespace cudasim::kernels {

using bf16 = __nv_bfloat16;

cudaError_t silu(const float* in, float* out, int n, cudaStream_t stream);             // four elements per thread
cudaError_t scale_and_shift(const float* in, float* out, int n, cudaStream_t stream);  // 2x+1, one element per thread
// One block per row; `block` threads, a multiple of 32.
cudaError_t rmsnorm(const bf16* in, const bf16* weight, bf16* out, int rows, int columns, int block,
                    cudaStream_t stream);

// FlashAttention-2 forward, one head, not causal; tokens a multiple of 64, head dimension 64 or 128.
enum class FlashBug { none, no_wait, no_commit, no_barrier, no_barrier_before_overwrite, swapped_fragments, no_trans };
template <int head_size, FlashBug bug = FlashBug::none>
cudaError_t flash_forward(const bf16* q, const bf16* k, const bf16* v, bf16* out, int tokens, cudaStream_t stream);

// a[m + 16k] b[n + 8k] d[m + 16n]
cudaError_t one_mma(const bf16* a, const bf16* b, float* d, cudaStream_t stream);
// 4 matrices of 8 x 8 in; out[variant][register][lane], variants x4, x4.trans, x2, x2.trans (registers 2 and 3: zero).
cudaError_t every_ldmatrix(const std::uint16_t* in, std::uint32_t* out, cudaStream_t stream);
cudaError_t bf16_pair_sum(const __nv_bfloat162* in, __nv_bfloat162* out, cudaStream_t stream);

cudaError_t cub_blocks(const int* in, int* sums, int* scan, int blocks, cudaStream_t stream);
cudaError_t cub_sum(void* temporary, std::size_t& bytes, const float* in, float* out, int n, cudaStream_t stream);
cudaError_t cub_scan(void* temporary, std::size_t& bytes, const int* in, int* out, int n, cudaStream_t stream);
cudaError_t cub_sort(void* temporary, std::size_t& bytes, const unsigned* keys, unsigned* keys_out, const int* values,
                     int* values_out, int n, cudaStream_t stream);

// Each built-in function that the toolkit has for nvcc only, once: out[0..] gets the numbers of failed checks.
cudaError_t builtins_of_warps(int* failures, cudaStream_t stream);
cudaError_t builtins_of_threads(int* failures, cudaStream_t stream);

// ---- planted mistakes: blocks of 128 threads, out[128] ----
cudaError_t divergent_barrier(float* out, cudaStream_t stream);
cudaError_t early_return(float* out, cudaStream_t stream);
cudaError_t wrong_mask(float* out, cudaStream_t stream);
cudaError_t lanes_at_different_collectives(float* out, cudaStream_t stream);
cudaError_t overrun(float* out, int n, cudaStream_t stream);  // writes out[n]
cudaError_t shared_overrun(float* out, cudaStream_t stream);
cudaError_t static_shared_overrun(float* out, int by, cudaStream_t stream);
enum class Neighbour { right_with_barrier, right, left };  // read from shared memory; the latter two without a barrier
cudaError_t read_neighbour(Neighbour neighbour, const float* in, float* out, cudaStream_t stream);
cudaError_t race_between_blocks(float* out, int blocks, cudaStream_t stream);  // all add to out[0] without atomics
cudaError_t unaligned_copy(const float* in, float* out, cudaStream_t stream);  // cp.async from an odd address

}  // namespace cudasim::kernels
