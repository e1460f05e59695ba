// Sums whose order is fixed by their length alone, for every vector width.
#pragma once
#include <cstdint>

namespace tandem::simd {

inline constexpr int lanes = 32;

// f(0) + ... + f(n - 1) in A: number i goes to lane i % 32, each lane in order, then halves of lanes are added.
template <class A, class F> A sum(std::int64_t n, F f) {
    A part[lanes] = {};
    const std::int64_t whole = n / lanes * lanes;
    for (std::int64_t i = 0; i < whole; i += lanes)
        for (int l = 0; l < lanes; l++) part[l] += f(i + l);
    for (std::int64_t i = whole; i < n; i++) part[i - whole] += f(i);
    for (int width = lanes / 2; width; width /= 2)
        for (int l = 0; l < width; l++) part[l] += part[l + width];
    return part[0];
}

// The largest of x[0..n), n > 0.
template <class A> A largest(std::int64_t n, const A* x) {
    A part[lanes];
    for (int l = 0; l < lanes; l++) part[l] = x[0];
    const std::int64_t whole = n / lanes * lanes;
    for (std::int64_t i = 0; i < whole; i += lanes)
        for (int l = 0; l < lanes; l++) part[l] = part[l] > x[i + l] ? part[l] : x[i + l];
    for (std::int64_t i = whole; i < n; i++) part[0] = part[0] > x[i] ? part[0] : x[i];
    A most = part[0];
    for (A p : part) most = most > p ? most : p;
    return most;
}

}  // namespace tandem::simd
