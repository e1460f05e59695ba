// What a machine must do well for the CPU's attention: products of packed tiles, and the softmax between them.
// Each row of a result is computed alone and in the order of columns and depths, so its bits do not depend on which
// rows share its tile.
#pragma once
#include <algorithm>
#include <cstdint>

#include "runtime/dtype.h"

namespace tandem::tiles {

inline constexpr int tile = 64;       // queries or keys of a tile, and the row stride of tiles of scores
inline constexpr int block_rows = 8;  // of a micro-kernel's result
inline constexpr int panel = 32;      // its columns: a packed operand is panels of so many

// Depths that lie interleaved for one column of a packed operand: vdpbf16ps takes pairs.
template <class T> inline constexpr int depth_step = sizeof(T) == 2 ? 2 : 1;

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Which columns of a tile of scores its rows have. `keys`: rows are queries, and row r sees the keys up to column
// diagonal + r. `queries`: rows are keys, and row r is seen by the queries from column diagonal + r on.
enum class Columns { keys, queries };
struct Window {
    Columns kind;
    int rows, columns, diagonal;
    int begin(int r) const { return kind == Columns::keys ? 0 : std::clamp(diagonal + r, 0, columns); }
    int end(int r) const { return kind == Columns::keys ? std::clamp(diagonal + r + 1, 0, columns) : columns; }
};

// c[rows, 32] = or += a[rows, depth] b[depth, 32]; depth a multiple of depth_step, rows up to 8; a and c have 8, and
// what is in the others does not matter.
enum class Into { store, add };
template <class T> struct Product {
    const T* a;
    std::int64_t a_stride;
    const T* packed;
    accumulate_t<T>* c;
    std::int64_t c_stride;
    int rows, depth;
    Into into;
};

// One key tile's step of the online softmax: probabilities p [rows, tile] = exp(scale * s - max) with zeros outside the
// window, max and sum [rows] brought up to date, rows of y [rows, width] scaled to the new maximum. s is spoilt.
template <class T> struct Softmax {
    using A = accumulate_t<T>;
    Window window;
    A scale;
    A *s, *max, *sum;
    A* y;
    int width;
    T* p;
};

// p = exp(scale * s - lse) and ds = p * (dp - delta), zeros outside the window. lse and delta belong to the queries:
// one for each row (Columns::keys; p is null: not wanted) or for each column.
template <class T> struct ScoreGradient {
    using A = accumulate_t<T>;
    Window window;
    A scale;
    const A *s, *dp, *lse, *delta;
    T *p, *ds;
};

// out = addend + factor * c, rounded once; addend may be null or `out`.
template <class T> struct OutputTile {
    const accumulate_t<T>* c;
    accumulate_t<T> factor;
    const T* addend;
    T* out;
    int width;
};

template <class T> struct Source {
    const T* data;
    std::int64_t stride;
    int rows, width;  // rows <= tile
};

template <class T> struct Kernels {
    void (*pack)(const Source<T>&, T* packed);             // B = source: packed [ceil(width / panel)][tile][panel]
    void (*pack_transposed)(const Source<T>&, T* packed);  // B = source^T: [ceil(rows / panel)][width, padded][panel]
    void (*product)(const Product<T>&);
    void (*softmax)(const Softmax<T>&);
    void (*score_gradient)(const ScoreGradient<T>&);
    void (*output)(const OutputTile<T>&);
};

template <class T> const Kernels<T>& plain_kernels();
// Null where cpuid lacks AVX-512 F, BW, DQ and VL, or for bf16 AVX-512 BF16, or where the type has none.
// exp within 2 ulp (measured below 1) for arguments up to 88; 0 where it underflows.
template <class T> const Kernels<T>* avx512_kernels();
template <> const Kernels<double>* avx512_kernels();
template <> const Kernels<float>* avx512_kernels();
template <> const Kernels<bf16>* avx512_kernels();

template <class T> const Kernels<T>& kernels() {
    static const Kernels<T>& chosen = avx512_kernels<T>() ? *avx512_kernels<T>() : plain_kernels<T>();
    return chosen;
}

}  // namespace tandem::tiles
