#include "ops/rope/rope_kernels.h"

namespace tandem {

namespace {

// With `inverse`, sin is negated: c x1 + s x2 = c x1 - (-s) x2, the same bits.
template <class T>
void rotate_head(const T* x, const accumulate_t<T>* cos, const accumulate_t<T>* sin, accumulate_t<T> sign, const T* addend,
                 T* y, std::int64_t half) {
    using A = accumulate_t<T>;
    for (std::int64_t i = 0; i < half; i++) {
        A c = cos[i], s = sign * sin[i], x1 = A(x[i]), x2 = A(x[half + i]);
        A y1 = x1 * c - x2 * s;
        A y2 = x2 * c + x1 * s;
        y[i] = T(addend ? A(addend[i]) + y1 : y1);
        y[half + i] = T(addend ? A(addend[half + i]) + y2 : y2);
    }
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
                throw Error(fmt::format("[rope] token {} is at position {}, but the table has {}; make it as long as the "
                                        "longest document", t, position, positions));
            const A *cos = a.table.cos.as<A>() + position * half, *sin = a.table.sin.as<A>() + position * half;
            const T *x = a.x.as<T>() + t * columns, *addend = a.addend ? a.addend.as<T>() + t * columns : nullptr;
            T* y = a.y.as<T>() + t * columns;
            for (std::int64_t at = 0; at < columns; at += a.head_dim)
                rotate_head(x + at, cos, sin, sign, addend ? addend + at : nullptr, y + at, half);
        });
    });
}

}  // namespace tandem
