#include "ops/rope/rope_kernels.h"

#include <fmt/core.h>

#include "runtime/thread_pool.h"

namespace tandem {

namespace {

template <class T> struct Angles {
    const accumulate_t<T>*cos, *sin;
    accumulate_t<T> sign;  // -1 turns back: only sin changes sign
};

// `count` columns from i on of both halves of a head. A fixed count and separate loops are what compilers make vectors
// of.
template <int count, class T>
void rotate_columns(const T* x, const Angles<T>& a, const T* addend, T* y, std::int64_t half, std::int64_t i) {
    using A = accumulate_t<T>;
    A x1[count], x2[count], y1[count], y2[count];
    for (int j = 0; j < count; j++) x1[j] = A(x[i + j]);
    for (int j = 0; j < count; j++) x2[j] = A(x[half + i + j]);
    for (int j = 0; j < count; j++) {
        const A c = a.cos[i + j], s = a.sign * a.sin[i + j];
        y1[j] = x1[j] * c - x2[j] * s;
        y2[j] = x2[j] * c + x1[j] * s;
    }
    if (addend) {
        for (int j = 0; j < count; j++) y1[j] = A(addend[i + j]) + y1[j];
        for (int j = 0; j < count; j++) y2[j] = A(addend[half + i + j]) + y2[j];
    }
    for (int j = 0; j < count; j++) y[i + j] = T(y1[j]);
    for (int j = 0; j < count; j++) y[half + i + j] = T(y2[j]);
}

template <class T> void rotate(const T* x, const Angles<T>& a, const T* addend, T* y, std::int64_t half) {
    constexpr int block = 16;
    std::int64_t i = 0;
    for (; i + block <= half; i += block) rotate_columns<block>(x, a, addend, y, half, i);
    for (; i < half; i++) rotate_columns<1>(x, a, addend, y, half, i);
}

}  // namespace

void rope_rotate(const CpuDevice& device, const RopeRotate& a) {
    visit_compute(a.x.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const std::int64_t columns = a.x.dim(-1), half = a.head_dim / 2, positions = a.table.cos.dim(0);
        const A sign = a.rotation == Rotation::forward ? A(1) : A(-1);
        device.pool->parallel_for(a.x.dim(0), [&](std::int64_t t) {
            const std::int64_t position = a.positions.as<std::int32_t>()[t];
            if (position < 0 || position >= positions)
                throw Error(
                    fmt::format("[rope] token {} is at position {}, but the table has {}; make it as long as the "
                                "longest document",
                                t, position, positions));
            const Angles<T> angles{a.table.cos.as<A>() + position * half, a.table.sin.as<A>() + position * half, sign};
            for (std::int64_t at = t * columns; at < (t + 1) * columns; at += a.head_dim)
                rotate(a.x.as<T>() + at, angles, a.addend ? a.addend.as<T>() + at : nullptr, a.y.as<T>() + at, half);
        });
    });
}

}  // namespace tandem
