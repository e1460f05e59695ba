#include <cmath>

#include "ops/attention/tile_kernels.h"

namespace tandem::tiles {

namespace {

template <class T> std::int64_t packed_at(std::int64_t depth, int column) {
    constexpr int step = depth_step<T>;
    return depth / step * step * panel + column * step + depth % step;
}

template <class T> void pack(const Source<T>& a, T* packed) {
    const int depth = round_up(a.rows, depth_step<T>);
    for (int at = 0; at < a.width; at += panel, packed += tile * panel)
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < panel; j++)
                packed[packed_at<T>(k, j)] = k < a.rows && at + j < a.width ? a.data[k * a.stride + at + j] : T(0.0f);
}

template <class T> void pack_transposed(const Source<T>& a, T* packed) {
    const int depth = round_up(a.width, depth_step<T>);
    for (int at = 0; at < a.rows; at += panel, packed += depth * panel)
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < panel; j++)
                packed[packed_at<T>(k, j)] = k < a.width && at + j < a.rows ? a.data[(at + j) * a.stride + k] : T(0.0f);
}

template <class T> void product(const Product<T>& p) {
    using A = accumulate_t<T>;
    if (p.into == Into::store)
        for (int r = 0; r < p.rows; r++) std::fill_n(p.c + r * p.c_stride, panel, A(0));
    for (int begin = 0; begin < p.depth; begin += tile) {
        const int depth = std::min(tile, p.depth - begin);
        A b[tile][panel];  // taken apart once for all rows
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < panel; j++) b[k][j] = A(p.packed[packed_at<T>(begin + k, j)]);
        for (int r = 0; r < p.rows; r++) {
            A* c = p.c + r * p.c_stride;
            A sums[panel];
            std::copy_n(c, panel, sums);
            for (int k = 0; k < depth; k++) {
                const A a = A(p.a[r * p.a_stride + begin + k]);
                for (int j = 0; j < panel; j++) sums[j] += a * b[k][j];
            }
            std::copy_n(sums, panel, c);
        }
    }
}

template <class T> void softmax(const Softmax<T>& a) {
    using A = accumulate_t<T>;
    for (int r = 0; r < a.window.rows; r++) {
        const int end = a.window.end(r);
        A* s = a.s + r * tile;
        T* p = a.p + r * tile;
        A max = a.max[r], sum = 0;
        for (int c = 0; c < end; c++) {
            s[c] *= a.scale;
            max = std::max(max, s[c]);
        }
        for (int c = 0; c < end; c++) {
            const A e = std::exp(s[c] - max);
            sum += e;
            p[c] = T(e);
        }
        std::fill(p + end, p + tile, T(0.0f));
        const A shrink = std::exp(a.max[r] - max);
        a.sum[r] = a.sum[r] * shrink + sum;
        a.max[r] = max;
        for (int d = 0; d < a.width; d++) a.y[std::int64_t(r) * a.width + d] *= shrink;
    }
}

template <class T> void score_gradient(const ScoreGradient<T>& a) {
    using A = accumulate_t<T>;
    for (int r = 0; r < a.window.rows; r++)
        for (int c = 0; c < tile; c++) {
            const int at = r * tile + c;
            A p = 0, ds = 0;
            if (c >= a.window.begin(r) && c < a.window.end(r)) {
                const int query = a.window.kind == Columns::keys ? r : c;
                p = std::exp(a.s[at] * a.scale - a.lse[query]);
                ds = p * (a.dp[at] - a.delta[query]);
            }
            if (a.p) a.p[at] = T(p);
            a.ds[at] = T(ds);
        }
}

template <class T> void output(const OutputTile<T>& a) {
    using A = accumulate_t<T>;
    for (int i = 0; i < a.width; i++) {
        const A v = a.c[i] * a.factor;
        a.out[i] = T(a.addend ? A(a.addend[i]) + v : v);
    }
}

}  // namespace

template <class T> const Kernels<T>& plain_kernels() {
    static const Kernels<T> all = {pack<T>, pack_transposed<T>, product<T>, softmax<T>, score_gradient<T>, output<T>};
    return all;
}
template const Kernels<double>& plain_kernels();
template const Kernels<float>& plain_kernels();
template const Kernels<bf16>& plain_kernels();

}  // namespace tandem::tiles
