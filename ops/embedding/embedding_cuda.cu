#include "ops/embedding/embedding_kernels.h"
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

// A block for 256 vectors of token blockIdx.x. All bits set are a NaN in every type.
template <int width> __global__ void __launch_bounds__(elementwise_threads)
    embedding_kernel(const std::int32_t* __restrict__ tokens, const std::uint16_t* __restrict__ weight,
                     std::uint16_t* __restrict__ y, std::int64_t row, std::int64_t vocab) {
    const std::int64_t t = blockIdx.x, c = (std::int64_t(blockIdx.y) * elementwise_threads + threadIdx.x) * width;
    if (c >= row) return;
    const std::int32_t id = tokens[t];
    Vector<std::uint16_t, width> v;
    if (id >= 0 && id < vocab) {
        v = load<width>(weight + id * row + c);
    } else {
#pragma unroll
        for (int k = 0; k < width; k++) v[k] = 0xffff;
    }
    store(y + t * row + c, v);
}

constexpr int held = 4;              // vectors of a row that a lane of embedding_backward_kernel sums
constexpr int tokens_per_block = 4;  // a warp for each

// A warp for 32 * held vectors of a token: where its id comes for the first time, the warp adds the rows of all tokens
// of that id, in order; elsewhere there is nothing to do.
template <class T, int width> __global__ void __launch_bounds__(32 * tokens_per_block)
    embedding_backward_kernel(const std::int32_t* __restrict__ tokens, const T* __restrict__ dy,
                              float* __restrict__ dweight, int count, std::int64_t hidden, std::int64_t vocab) {
    const int lane = int(threadIdx.x), first = int(blockIdx.x) * tokens_per_block + int(threadIdx.y);
    if (first >= count) return;
    const std::int32_t id = tokens[first];
    if (id < 0 || id >= vocab) return;
    for (int begin = 0; begin < first; begin += 128) {
        bool before = false;
#pragma unroll
        for (int t = begin + lane; t < begin + 128; t += 32) before |= t < first && tokens[t] == id;
        if (__any_sync(all_lanes, before)) return;
    }
    const std::int64_t column = (std::int64_t(blockIdx.y) * held * 32 + lane) * width;
    constexpr int step = 32 * width;
    float* const row = dweight + id * hidden + column;
    Vector<float, width> sum[held] = {};
#pragma unroll
    for (int h = 0; h < held; h++)
        if (column + h * step < hidden) sum[h] = load<width>(row + h * step);
    for (int begin = first; begin < count; begin += 32) {
        unsigned same = __ballot_sync(all_lanes, begin + lane < count && tokens[begin + lane] == id);
        for (; same; same &= same - 1) {
            const T* from = dy + (begin + __ffs(int(same)) - 1) * hidden + column;
            Packed<T, width> v[held] = {};
#pragma unroll
            for (int h = 0; h < held; h++)
                if (column + h * step < hidden) v[h] = load_packed<width>(from + h * step);
#pragma unroll
            for (int h = 0; h < held; h++) {
                const Vector<float, width> values = unpack(v[h]);
#pragma unroll
                for (int k = 0; k < width; k++) sum[h][k] += values[k];
            }
        }
    }
#pragma unroll
    for (int h = 0; h < held; h++)
        if (column + h * step < hidden) store(row + h * step, sum[h]);
}

}  // namespace

void embedding_forward(const CudaDevice& device, const EmbeddingForward& args) {
    // Every type's elements are of one or more such units.
    using Unit = std::uint16_t;
    const std::int64_t row = args.weight.dim(1) * std::int64_t(size_of(args.weight.dtype()) / sizeof(Unit));
    const auto* weight = reinterpret_cast<const Unit*>(args.weight.data());
    auto* y = reinterpret_cast<Unit*>(args.y.data());
    visit_width<Unit>(row, {weight, y}, [&]<int width>() {
        LaunchConfig config = one_vector_each(row, width, device.stream);
        config.grid = dim3(unsigned(args.tokens.elements()), config.grid.x);
        launch(embedding_kernel<width>, config, device_data<std::int32_t>(args.tokens), weight, y, row,
               args.weight.dim(0));
    });
}

void embedding_backward(const CudaDevice& device, const EmbeddingBackward& args) {
    const std::int64_t hidden = args.dy.dim(-1), count = args.tokens.elements();
    float* dweight = device_data<float>(args.dweight.out);
    visit_cuda("embedding", args.dy.dtype(), [&]<class T>() {
        const T* dy = device_data<T>(args.dy);
        visit_width<T>(hidden, {dy, dweight}, [&]<int width>() {
            const std::int64_t per_warp = 32 * held * width;
            const dim3 grid(unsigned((count + tokens_per_block - 1) / tokens_per_block),
                            unsigned((hidden + per_warp - 1) / per_warp));
            launch(embedding_backward_kernel<T, width>, {grid, dim3(32, tokens_per_block), 0, device.stream},
                   device_data<std::int32_t>(args.tokens), dy, dweight, count, hidden, args.dweight.out.dim(0));
        });
    });
}

}  // namespace tandem
