// One query against a cache of keys and values, as in flash-decoding: the keys are split among blocks, each of which
// reads its part once for several heads of a group; the parts are combined in their order.
#include "ops/attention/attention_cuda.cuh"

#include <fmt/core.h>

#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/warp.cuh"
#include "runtime/error.h"

namespace tandem::cuda_attention {

namespace {

constexpr int warps = 4, threads = warps * 32, keys_of_tile = 64, most_splits = 64, widest = 256;

// In the device's scratch: [heads, splits] of max and sum, and of dim sums.
struct Parts {
    int keys, splits, keys_of_split;
};

Parts parts_of(const Sizes& s, int keys) {
    const std::size_t bytes = std::size_t(s.heads) * (s.dim + 2) * sizeof(float);
    if (bytes > CudaDevice::scratch_bytes)
        throw Error(
            fmt::format("[attention_cached] {} heads of {} are too many for a card; set {} to cpu", s.heads, s.dim,
                        setting("gpus")));
    const int most = int(std::min<std::size_t>(most_splits, CudaDevice::scratch_bytes / bytes));
    const int tiles = (keys + keys_of_tile - 1) / keys_of_tile, each = (tiles + most - 1) / most;
    return {keys, (tiles + each - 1) / each, each * keys_of_tile};
}

// Where a block is, and a thread: `lanes` threads share a key, each with 8 columns.
struct BlockPlace {
    int kv_head, head, heads;  // the first head of this block, and how many
    int lanes, column, key;
    int begin, end;
};

template <int G> struct Shared {
    float scores[G][keys_of_tile];  // numerators, later
    float max[G], sum[G], shrink[G];
    float partial[warps][widest];
};

__device__ __forceinline__ BlockPlace place_of(const Sizes& s, const Parts& parts, int heads) {
    BlockPlace p;
    p.kv_head = blockIdx.y;
    p.head = p.kv_head * s.group + blockIdx.z * heads;
    p.heads = min(heads, s.group - int(blockIdx.z) * heads);
    p.lanes = s.dim <= 64 ? 8 : s.dim <= 128 ? 16 : 32;
    p.column = threadIdx.x % p.lanes * 8;
    p.key = threadIdx.x / p.lanes;
    p.begin = blockIdx.x * parts.keys_of_split;
    p.end = min(p.begin + parts.keys_of_split, parts.keys);
    return p;
}

// scores of keys first.. of the tile, before scaling.
template <class T, int G> __device__ __forceinline__ void score(Shared<G>& shared, const float (&q)[G][8], const T* k,
                                                                const BlockPlace& p, int first, const Sizes& s) {
    for (int key = p.key; key < keys_of_tile; key += threads / p.lanes) {
        float row[8];
        load8(row, k + s.k_at(min(first + key, p.end - 1), p.kv_head), p.column, s.dim, s.vectors);
        float sums[G] = {};
#pragma unroll
        for (int g = 0; g < G; g++)
#pragma unroll
            for (int c = 0; c < 8; c++) sums[g] = fmaf(q[g][c], row[c], sums[g]);
        for (int lanes = p.lanes / 2; lanes > 0; lanes /= 2)
#pragma unroll
            for (int g = 0; g < G; g++) sums[g] += __shfl_xor_sync(all_lanes, sums[g], lanes);
        if (p.column == 0)
#pragma unroll
            for (int g = 0; g < G; g++) shared.scores[g][key] = first + key < p.end ? sums[g] * s.scale : -INFINITY;
    }
}

// A warp takes a head: its scores become numerators, rounded to T.
template <class T, int G> __device__ __forceinline__ void softmax(Shared<G>& shared) {
    const int lane = threadIdx.x % 32;
    for (int g = threadIdx.x / 32; g < G; g += warps) {
        float a = shared.scores[g][lane], b = shared.scores[g][lane + 32];
        const float before = shared.max[g], top = fmaxf(before, warp_max(fmaxf(a, b)));
        a = expf(a - top);
        b = expf(b - top);
        const float sum = warp_sum(a + b), shrink = expf(before - top);
        shared.scores[g][lane] = to_float(from_float<T>(a));
        shared.scores[g][lane + 32] = to_float(from_float<T>(b));
        __syncwarp();  // all lanes have read the old maximum
        if (lane == 0) {
            shared.max[g] = top;
            shared.sum[g] = fmaf(shared.sum[g], shrink, sum);
            shared.shrink[g] = shrink;
        }
    }
}

template <class T, int G> __device__ __forceinline__ void add_values(float (&y)[G][8], const Shared<G>& shared,
                                                                     const T* v, const BlockPlace& p, int first,
                                                                     const Sizes& s) {
#pragma unroll
    for (int g = 0; g < G; g++)
#pragma unroll
        for (int c = 0; c < 8; c++) y[g][c] *= shared.shrink[g];
    const int keys = min(keys_of_tile, p.end - first);
    for (int key = p.key; key < keys; key += threads / p.lanes) {
        float row[8];
        load8(row, v + s.k_at(first + key, p.kv_head), p.column, s.dim, s.vectors);
#pragma unroll
        for (int g = 0; g < G; g++)
#pragma unroll
            for (int c = 0; c < 8; c++) y[g][c] = fmaf(shared.scores[g][key], row[c], y[g][c]);
    }
}

// Adds up the sums of the threads that have the same columns, and writes them.
template <int G> __device__ __forceinline__ void write_part(float (&y)[G][8], Shared<G>& shared, float* statistics,
                                                            float* sums, const BlockPlace& p, const Parts& parts,
                                                            int dim) {
#pragma unroll
    for (int g = 0; g < G; g++) {
        for (int lanes = p.lanes; lanes < 32; lanes *= 2)
#pragma unroll
            for (int c = 0; c < 8; c++) y[g][c] += __shfl_xor_sync(all_lanes, y[g][c], lanes);
        __syncthreads();  // nobody reads the head before
        if (int(threadIdx.x % 32) < p.lanes)
#pragma unroll
            for (int c = 0; c < 8; c++) shared.partial[threadIdx.x / 32][p.column + c] = y[g][c];
        __syncthreads();
        if (g >= p.heads) continue;
        const std::size_t part = std::size_t(p.head + g) * parts.splits + blockIdx.x;
        for (int column = threadIdx.x; column < dim; column += threads) {
            float sum = shared.partial[0][column];
            for (int w = 1; w < warps; w++) sum += shared.partial[w][column];
            sums[part * dim + column] = sum;
        }
        if (threadIdx.x == 0) statistics[part * 2] = shared.max[g], statistics[part * 2 + 1] = shared.sum[g];
    }
}

template <class T, int G> __global__ void __launch_bounds__(threads)
    decode_part_kernel(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
                       float* __restrict__ statistics, float* __restrict__ sums, Parts parts, Sizes s) {
    Shared<G>& shared = *dynamic_shared<Shared<G>>();
    const BlockPlace p = place_of(s, parts, G);
    float row[G][8], y[G][8] = {};
#pragma unroll
    for (int g = 0; g < G; g++) load8(row[g], q + s.q_at(0, p.head + min(g, p.heads - 1)), p.column, s.dim, s.vectors);
    if (threadIdx.x < G) shared.max[threadIdx.x] = -INFINITY, shared.sum[threadIdx.x] = 0;
    for (int first = p.begin; first < p.end; first += keys_of_tile) {
        __syncthreads();  // nobody reads the numerators before
        score(shared, row, k, p, first, s);
        __syncthreads();
        softmax<T>(shared);
        __syncthreads();
        add_values(y, shared, v, p, first, s);
    }
    write_part(y, shared, statistics, sums, p, parts, s.dim);
}

template <class T> __global__ void __launch_bounds__(threads)
    decode_combine_kernel(const float* __restrict__ statistics, const float* __restrict__ sums, T* __restrict__ y,
                          int splits, int dim) {
    const float* own = statistics + std::size_t(blockIdx.x) * splits * 2;
    float max = -INFINITY, total = 0;
    for (int i = 0; i < splits; i++) max = fmaxf(max, own[i * 2]);
    for (int i = 0; i < splits; i++) total = fmaf(own[i * 2 + 1], expf(own[i * 2] - max), total);
    for (int column = threadIdx.x; column < dim; column += threads) {
        float sum = 0;
        for (int i = 0; i < splits; i++)
            sum = fmaf(sums[(std::size_t(blockIdx.x) * splits + i) * dim + column], expf(own[i * 2] - max), sum);
        y[std::size_t(blockIdx.x) * dim + column] = from_float<T>(sum * (1 / total));
    }
}

template <class T, int G> void run_parts(const CudaDevice& device, const AttentionForward& a, const Parts& parts,
                                         const Sizes& s, float* statistics, float* sums) {
    launch(decode_part_kernel<T, G>,
           {dim3(unsigned(parts.splits), unsigned(s.kv_heads()), unsigned((s.group + G - 1) / G)), threads,
            sizeof(Shared<G>), device.stream},
           device_data<T>(a.q), device_data<T>(a.k), device_data<T>(a.v), statistics, sums, parts, s);
}

}  // namespace

void decode(const CudaDevice& device, const AttentionForward& a) {
    const Sizes s(a.q, a.k, a.cu_seqlens, a.shape);
    const Parts parts = parts_of(s, int(a.k.dim(0)));
    float* statistics = reinterpret_cast<float*>(device.scratch);
    float* sums = statistics + std::size_t(s.heads) * parts.splits * 2;
    visit_cuda("attention_cached", a.q.dtype(), [&]<class T>() {
        if (s.group == 1)
            run_parts<T, 1>(device, a, parts, s, statistics, sums);
        else if (s.group <= 4)
            run_parts<T, 4>(device, a, parts, s, statistics, sums);
        else
            run_parts<T, 8>(device, a, parts, s, statistics, sums);
        launch(decode_combine_kernel<T>, {unsigned(s.heads), threads, 0, device.stream}, statistics, sums,
               device_data<T>(a.y), parts.splits, s.dim);
    });
}

}  // namespace tandem::cuda_attention
