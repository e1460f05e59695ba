#include "dist/peer/add_ranges.h"

#include <fmt/core.h>

#include "runtime/cuda/vector.cuh"

namespace tandem {

namespace {

// Bare pointers, null from `parts` on. All loads are issued before the first sum: some come from other cards.
template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    add_ranges_kernel(T* __restrict__ range, const T* __restrict__ p0, const T* __restrict__ p1,
                      const T* __restrict__ p2, const T* __restrict__ p3, const T* __restrict__ p4,
                      const T* __restrict__ p5, const T* __restrict__ p6, const T* __restrict__ p7, int parts,
                      std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    const T* const part[most_parts] = {p0, p1, p2, p3, p4, p5, p6, p7};
    Vector<T, width> v[most_parts];
    Vector<T, width> total = load<width>(range + i);
#pragma unroll
    for (int p = 0; p < most_parts; p++)
        if (p < parts) v[p] = load<width>(part[p] + i);
#pragma unroll
    for (int p = 1; p < most_parts; p++) {
        if (p >= parts) break;
#pragma unroll
        for (int k = 0; k < width; k++) v[0][k] += v[p][k];
    }
#pragma unroll
    for (int k = 0; k < width; k++) total[k] += v[0][k];
    store(range + i, total);
}

template <class T>
void add(CUstream_st* stream, std::byte* range, std::span<const std::byte* const> parts, std::int64_t n) {
    const T* p[most_parts] = {};
    for (std::size_t i = 0; i < parts.size(); i++) p[i] = reinterpret_cast<const T*>(parts[i]);
    T* out = reinterpret_cast<T*>(range);
    visit_width<T>(n, {out, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}, [&]<int width>() {
        launch(add_ranges_kernel<T, width>, one_vector_each(n, width, stream), out, p[0], p[1], p[2], p[3], p[4], p[5],
               p[6], p[7], parts.size(), n);
    });
}

}  // namespace

void add_ranges(CUstream_st* stream, DType type, std::byte* range, std::span<const std::byte* const> parts,
                std::int64_t elements) {
    if (parts.empty() || parts.size() > most_parts)
        throw Error(fmt::format("[add_ranges] expected 1 to {} parts, got {}", most_parts, parts.size()));
    if (type == DType::f64)
        add<double>(stream, range, parts, elements);
    else if (type == DType::f32)
        add<float>(stream, range, parts, elements);
    else
        throw Error(fmt::format("[add_ranges] expected f32 or f64, got {}", name_of(type)));
}

}  // namespace tandem
