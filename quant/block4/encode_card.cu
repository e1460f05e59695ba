#include <cuda_fp16.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "quant/block4/block4.h"
#include "quant/block4/code_book.h"
#include "quant/block4/double_quant.h"
#include "quant/block4/fp4.h"
#include "quant/block4/lookup.h"
#include "quant/block4/nf4.h"
#include "quant/dynamic_map.h"
#include "runtime/cuda/types.cuh"
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

constexpr int threads = 256, warps = threads / 32;
// A block of threads has a run of elements in its registers that is a multiple of every quantization block.
constexpr int width = 8, vectors = 2, run = threads * width * vectors;
constexpr std::uint32_t infinity_bits = 0x7f800000u;

constexpr std::array<int, 16> nf4_ascending = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
__device__ constexpr CodeLookup nf4_lookup = code_lookup(nf4_midpoints, nf4_ascending);
__device__ constexpr CodeLookup fp4_lookup = code_lookup(fp4_thresholds, fp4_ascending);

__device__ __forceinline__ float float_of(__half v) { return __half2float(v); }
template <class T> __device__ __forceinline__ float float_of(T v) { return to_float(v); }

// Elements from `at` on of `count`, zeros beyond.
template <class T>
__device__ __forceinline__ Packed<T, width> load_some(const T* x, std::int64_t at, std::int64_t count) {
    if (at + width <= count) return load_packed<width>(x + at);
    T some[width];
#pragma unroll
    for (int k = 0; k < width; k++) some[k] = at + k < count ? x[at + k] : T(0.0f);
    Packed<T, width> p;
    memcpy(&p, some, sizeof p);
    return p;
}

// The code of v in bits 0 to 3 by this warp's lookup, an entry in each lane.
template <Block4::Book book>
__device__ __forceinline__ std::uint32_t code_of(float v, float threshold, std::uint32_t codes) {
    constexpr bool by_magnitude = book == Block4::Book::fp4;
    const float m = by_magnitude ? fabsf(v) : v;
    // The sum's last place is 1: it rounds to an integer, whose last five bits are the lane.
    const int lane = __float_as_int(__fmaf_rn(m, interval_scale, 0x1.8p23f)) & 31;
    const float t = __shfl_sync(all_lanes, threshold, lane);
    const std::uint32_t pair = __shfl_sync(all_lanes, codes, lane);
    const std::uint32_t code = (m > t ? pair >> 4 : pair) & 15u;
    return by_magnitude && v < 0 ? code | 8u : code;
}

// Bits of the largest magnitude, ordered as magnitudes are, with NaN above all; over aligned groups of lanes.
__device__ __forceinline__ std::uint32_t group_max(std::uint32_t bits, int lanes) {
    for (int d = 1; d < lanes; d *= 2) bits = max(bits, __shfl_xor_sync(all_lanes, bits, d));
    return bits;
}

// weight, codes and absmax begin with the first of `count` elements; codes up to `padded` are zeros.
template <class T, Block4::Book book> __global__ void __launch_bounds__(threads)
    quantize_blocks_kernel(const T* __restrict__ weight, std::int64_t count, std::int64_t padded, int block_log2,
                           std::uint32_t* __restrict__ codes, float* __restrict__ absmax) {
    __shared__ std::uint32_t of_warp[vectors * warps];
    const int lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
    const CodeLookup& lookup = book == Block4::Book::nf4 ? nf4_lookup : fp4_lookup;
    const float threshold = lookup.threshold[lane];
    const std::uint32_t pairs = lookup.codes[lane];
    const std::int64_t first = std::int64_t(blockIdx.x) * run + threadIdx.x * width;

    Packed<T, width> packed[vectors];  // all on their way before the first is waited for
#pragma unroll
    for (int i = 0; i < vectors; i++) packed[i] = load_some(weight, first + i * threads * width, count);
    float v[vectors][width];
    std::uint32_t largest[vectors];
#pragma unroll
    for (int i = 0; i < vectors; i++) {
        const auto x = unpack(packed[i]);
        largest[i] = 0;
#pragma unroll
        for (int k = 0; k < width; k++) {
            v[i][k] = float_of(x[k]);
            largest[i] = max(largest[i], __float_as_uint(v[i][k]) & 0x7fffffffu);
        }
    }
    const int block = 1 << block_log2, lanes = min(block / width, 32);
#pragma unroll
    for (int i = 0; i < vectors; i++) largest[i] = group_max(largest[i], lanes);
    if (block > 32 * width) {
        if (lane == 0) {
#pragma unroll
            for (int i = 0; i < vectors; i++) of_warp[i * warps + warp] = largest[i];
        }
        __syncthreads();
        const std::uint32_t of_group = group_max(of_warp[lane % (vectors * warps)], block / (32 * width));
#pragma unroll
        for (int i = 0; i < vectors; i++) largest[i] = __shfl_sync(all_lanes, of_group, i * warps + warp);
    }
#pragma unroll
    for (int i = 0; i < vectors; i++) {
        const std::int64_t at = first + i * threads * width;
        const float inverse_or_infinity = 1.0f / __uint_as_float(largest[i]);
        const float inverse = __float_as_uint(inverse_or_infinity) < infinity_bits ? inverse_or_infinity : 0.0f;
        std::uint32_t packed = 0;
#pragma unroll
        for (int k = 0; k < width; k += 2) {
            const std::uint32_t high = code_of<book>(v[i][k] * inverse, threshold, pairs);
            const std::uint32_t low = code_of<book>(v[i][k + 1] * inverse, threshold, pairs);
            if (at + k < count) packed |= (high << 4 | low) << 4 * k;
        }
        if (at < padded) codes[at / width] = packed;
        if (at < count && (at & (block - 1)) == 0) absmax[at >> block_log2] = __uint_as_float(largest[i]);
    }
}

// The sum of one piece by a warp, as AbsmaxSum says; for lane 0.
template <class T> __device__ __forceinline__ double sum_of_piece(const T* x, std::int64_t n) {
    static_assert(AbsmaxSum::lanes == 32);
    double sum = 0;
#pragma unroll 8
    for (std::int64_t i = threadIdx.x % 32; i < n; i += 32) sum += double(x[i]);
    return warp_sum(sum);
}

__global__ void __launch_bounds__(threads)
    absmax_sums_kernel(const float* __restrict__ absmax, std::int64_t blocks, double* __restrict__ sums) {
    const std::int64_t piece = std::int64_t(blockIdx.x) * warps + threadIdx.x / 32, begin = piece * AbsmaxSum::piece;
    if (begin >= blocks) return;
    const double sum = sum_of_piece(absmax + begin, min(AbsmaxSum::piece, blocks - begin));
    if (threadIdx.x % 32 == 0) sums[piece] = sum;
}

struct Tables {
    static constexpr int most = int(Block4Places::offset / 4);
    std::uint32_t words[most];  // code book and map
    int used;
};

__device__ __forceinline__ void zero(std::byte* out, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin + threadIdx.x; i < end; i += threads) out[i] = std::byte(0);
}

// Where the parts behind the codes end, and what is behind them begins.
struct Ends {
    std::size_t absmax, nested_begin, nested, tables, bytes;
};

// One block: tables, the mean where the absmax are quantized, zeros behind the absmax of each level.
__global__ void __launch_bounds__(threads)
    quantize_tables_kernel(const double* __restrict__ sums, std::int64_t pieces, std::int64_t blocks,
                           Tables tables, Ends at, std::byte* __restrict__ out, std::uint32_t* __restrict__ nonfinite) {
    std::uint32_t* words = reinterpret_cast<std::uint32_t*>(out + at.tables);
    for (int i = int(threadIdx.x); i < tables.used; i += threads) words[i] = tables.words[i];
    const bool nested = tables.used == Tables::most;
    zero(out, at.absmax, at.nested_begin);
    zero(out, at.nested, at.tables);
    zero(out, at.tables + std::size_t(tables.used + nested) * 4, at.bytes);
    if (threadIdx.x >= 32) return;
    const double sum = sum_of_piece(sums, pieces);
    if (threadIdx.x != 0) return;
    // Finite absmax have a finite sum in double, and others have not.
    *nonfinite = sum < INFINITY ? 0 : 1;
    if (nested) words[Tables::most] = __float_as_uint(float(sum / double(blocks)));
}

// A warp for each nested block.
__global__ void __launch_bounds__(threads)
    quantize_absmax_kernel(const float* __restrict__ absmax, std::int64_t blocks, int nested_block,
                           const float* __restrict__ map, const float* __restrict__ mean,
                           std::uint8_t* __restrict__ codes, float* __restrict__ nested_absmax) {
    __shared__ float midpoint[256];
    if (threadIdx.x < 255) midpoint[threadIdx.x] = (map[threadIdx.x] + map[threadIdx.x + 1]) / 2;
    __syncthreads();
    const std::int64_t outer = std::int64_t(blockIdx.x) * warps + threadIdx.x / 32, begin = outer * nested_block;
    if (begin >= blocks) return;
    const std::int64_t end = min(begin + nested_block, blocks);
    const float offset = *mean;
    float scale = 0;
    for (std::int64_t i = begin + threadIdx.x % 32; i < end; i += 32) scale = fmaxf(scale, fabsf(absmax[i] - offset));
    scale = warp_max(scale);
    if (threadIdx.x % 32 == 0) nested_absmax[outer] = scale;
    for (std::int64_t i = begin + threadIdx.x % 32; i < end; i += 32) {
        const float x = scale > 0 ? (absmax[i] - offset) / scale : 0.0f;
        int code = 0;
#pragma unroll
        for (int step = 128; step > 0; step /= 2) code += x > midpoint[code + step - 1] ? step : 0;
        codes[i] = std::uint8_t(code);
    }
}

// Parts of the workspace.
struct Workspace {
    std::uint32_t* nonfinite;
    double* sums;   // [AbsmaxSum::pieces(blocks)]
    float* absmax;  // [blocks] of a nested tensor; of another they lie in its bytes
    std::size_t bytes;

    Workspace(const Block4& format, std::int64_t blocks, std::byte* out, std::byte* memory) {
        const std::size_t sums_bytes = align_up(std::size_t(AbsmaxSum::pieces(blocks)) * sizeof(double), 16);
        nonfinite = reinterpret_cast<std::uint32_t*>(memory);
        sums = reinterpret_cast<double*>(memory + 16);
        absmax = reinterpret_cast<float*>(format.nested ? memory + 16 + sums_bytes : out);
        bytes = 16 + sums_bytes + (format.nested ? std::size_t(blocks) * sizeof(float) : 0);
    }
};

Workspace workspace_of(const Block4& format, const CardJob& job) {
    return {format, format.blocks(job.elements()), job.out + format.places(job.rows, job.cols).absmax, job.workspace};
}

Tables tables_of(const Block4& format) {
    const CodeBook book = code_book(format.book);
    const std::size_t values = book.values.size();
    Tables t{};
    std::memcpy(t.words, book.values.data(), values * 4);
    std::memcpy(t.words + values, signed_dynamic_map().value.data(), sizeof(DynamicMap::value));
    t.used = format.nested ? Tables::most : int(values);
    return t;
}

template <class F> void visit_stored(DType t, F&& f) {
    if (t == DType::f16) return f.template operator()<__half>();
    visit_cuda("quantize", t, f);
}

}  // namespace

std::size_t Block4::card_workspace(std::int64_t rows, std::int64_t cols) const {
    return Workspace(*this, blocks(rows * cols), nullptr, nullptr).bytes;
}

void Block4::encode_piece(const CardJob& job, DType dtype, const std::byte* weight, std::int64_t first,
                          std::int64_t count) const {
    static_assert(card_piece % run == 0);
    check(job.elements());
    const Block4Places at = places(job.rows, job.cols);
    const std::int64_t padded = first + count < job.elements() ? count : std::int64_t(2 * at.absmax) - first;
    auto* codes = reinterpret_cast<std::uint32_t*>(job.out + first / 2);
    float* absmax = workspace_of(*this, job).absmax + first / block;
    const LaunchConfig config{dim3(unsigned((padded + run - 1) / run)), dim3(threads), 0, job.stream};
    visit_stored(dtype, [&]<class T>() {
        launch(book == Book::nf4 ? quantize_blocks_kernel<T, Book::nf4> : quantize_blocks_kernel<T, Book::fp4>, config,
               reinterpret_cast<const T*>(weight), count, padded, at.block_log2, codes, absmax);
    });
}

void Block4::finish(const CardJob& job) const {
    const Block4Places at = places(job.rows, job.cols);
    const std::int64_t blocks = this->blocks(job.elements()), outer = nested ? outer_blocks(job.elements()) : 0;
    const Workspace work = workspace_of(*this, job);
    auto warp_each = [&](std::int64_t n) {
        return LaunchConfig{dim3(unsigned((n + warps - 1) / warps)), dim3(threads), 0, job.stream};
    };
    const std::int64_t pieces = AbsmaxSum::pieces(blocks);
    const std::size_t nested_begin = nested ? at.nested_absmax : at.tables;
    const Ends ends{.absmax = at.absmax + std::size_t(blocks) * (nested ? 1 : 4),
                    .nested_begin = nested_begin,
                    .nested = nested_begin + std::size_t(outer) * 4,
                    .tables = at.tables,
                    .bytes = parts(job.rows, job.cols).bytes()};
    launch(absmax_sums_kernel, warp_each(pieces), work.absmax, blocks, work.sums);
    launch(quantize_tables_kernel, {dim3(1), dim3(threads), 0, job.stream}, work.sums, pieces, blocks, tables_of(*this),
           ends, job.out, work.nonfinite);
    if (!nested) return;
    launch(quantize_absmax_kernel, warp_each(outer), work.absmax, blocks, nested_block,
           reinterpret_cast<const float*>(job.out + at.tables + Block4Places::map),
           reinterpret_cast<const float*>(job.out + at.tables + Block4Places::offset),
           reinterpret_cast<std::uint8_t*>(job.out + at.absmax),
           reinterpret_cast<float*>(job.out + at.nested_absmax));
}

}  // namespace tandem
