#include <limits>

#include "ops/cuda/gradient.cuh"
#include "ops/rope/rope_kernels.h"

namespace tandem {

namespace {

constexpr int heads_per_thread = 4;  // that use the same angles
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

// y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin for `width` columns of both halves of up to four heads of a token. All
// become NaN where the token's position is outside the table.
template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    rope_kernel(const T* x, const std::int32_t* __restrict__ positions, const float* __restrict__ cos,
                const float* __restrict__ sin, const T* addend, T* y, std::int64_t tokens, int heads, int half,
                std::int64_t table_rows, float sign) {
    const std::int64_t thread = std::int64_t(blockIdx.x) * elementwise_threads + threadIdx.x;
    const int vectors = half / width, groups = (heads + heads_per_thread - 1) / heads_per_thread;
    const std::int64_t t = thread / (vectors * groups);
    if (t >= tokens) return;
    const int within = int(thread % (vectors * groups)), first_head = within / vectors * heads_per_thread,
              column = within % vectors * width;

    Packed<T, width> x1[heads_per_thread] = {}, x2[heads_per_thread] = {};
    const std::int64_t at = (t * heads + first_head) * 2 * half + column;
#pragma unroll
    for (int h = 0; h < heads_per_thread; h++)
        if (first_head + h < heads) {
            x1[h] = load_packed<width>(x + at + 2 * h * half);
            x2[h] = load_packed<width>(x + at + 2 * h * half + half);
        }
    const std::int32_t position = positions[t];
    Vector<float, width> c, s;
    if (position >= 0 && position < table_rows) {
        c = load<width>(cos + position * std::int64_t(half) + column);
        s = load<width>(sin + position * std::int64_t(half) + column);
    } else {
#pragma unroll
        for (int k = 0; k < width; k++) c[k] = s[k] = nan_value;
    }
#pragma unroll
    for (int h = 0; h < heads_per_thread; h++) {
        if (first_head + h >= heads) break;
        const Vector<float, width> v1 = unpack(x1[h]), v2 = unpack(x2[h]);
        Vector<float, width> y1, y2;
#pragma unroll
        for (int k = 0; k < width; k++) {
            const float a = v1[k], b = v2[k];
            y1[k] = a * c[k] - b * (sign * s[k]);
            y2[k] = b * c[k] + a * (sign * s[k]);
        }
        store_gradient(y, addend, at + 2 * h * half, y1);
        store_gradient(y, addend, at + 2 * h * half + half, y2);
    }
}

}  // namespace

void rope_rotate(const CudaDevice& device, const RopeRotate& a) {
    const std::int64_t tokens = a.x.dim(0);
    const int heads = int(a.x.dim(-1) / a.head_dim), half = a.head_dim / 2;
    const int groups = (heads + heads_per_thread - 1) / heads_per_thread;
    const float *cos = device_data<float>(a.table.cos), *sin = device_data<float>(a.table.sin);
    visit_cuda("rope", a.x.dtype(), [&]<class T>() {
        const T *x = device_data<T>(a.x), *addend = device_data<T>(a.addend);
        T* y = device_data<T>(a.y);
        visit_width<T>(half, {x, cos, sin, addend, y}, [&]<int width>() {
            launch(rope_kernel<T, width>, one_vector_each(tokens * groups * half, width, device.stream), x,
                   device_data<std::int32_t>(a.positions), cos, sin, addend, y, tokens, heads, half, a.table.cos.dim(0),
                   a.rotation == Rotation::forward ? 1.0f : -1.0f);
        });
    });
}

}  // namespace tandem
