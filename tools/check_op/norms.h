// Sizes of differences.
#pragma once
#include <cmath>
#include <numeric>
#include <vector>

#include "runtime/dtype.h"

namespace tandem {

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
inline double norm(const std::vector<double>& a) { return std::sqrt(dot(a, a)); }
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {  // of one size
    std::vector<double> d(a.size());
    for (std::size_t i = 0; i < a.size(); i++) d[i] = a[i] - b[i];
    return norm(d);
}

inline double round_to(DType t, double v) {
    return visit_compute(t, [&]<class T>() { return double(T(v)); });
}

}  // namespace tandem
