#include "quant/block4/double_quant.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/dynamic_map.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

template <class T> double sum_of_piece(const T* x, std::int64_t n) {
    constexpr int lanes = AbsmaxSum::lanes;
    double sum[lanes] = {};
    for (std::int64_t i = 0; i < n; i++) sum[i % lanes] += double(x[i]);
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) sum[l] += sum[l + half];
    return sum[0];
}

float mean(const float* absmax, std::int64_t blocks, ThreadPool& pool) {
    std::vector<double> sums(std::size_t(AbsmaxSum::pieces(blocks)));
    pool.parallel_for(std::int64_t(sums.size()), [&](std::int64_t p) {
        const std::int64_t begin = p * AbsmaxSum::piece;
        sums[std::size_t(p)] = sum_of_piece(absmax + begin, std::min(AbsmaxSum::piece, blocks - begin));
    });
    return float(sum_of_piece(sums.data(), std::int64_t(sums.size())) / double(blocks));
}

}  // namespace

void double_quantize(const float* absmax, std::int64_t blocks, int nested_block, const DoubleQuantized& out,
                     ThreadPool& pool) {
    const float offset = mean(absmax, blocks, pool);
    *out.offset = offset;

    const DynamicMap& map = signed_dynamic_map();
    pool.parallel_for((blocks + nested_block - 1) / nested_block, [&](std::int64_t outer) {
        std::int64_t begin = outer * nested_block, end = std::min(begin + nested_block, blocks);
        float scale = 0;
        for (std::int64_t i = begin; i < end; i++) scale = std::max(scale, std::abs(absmax[i] - offset));
        out.nested_absmax[outer] = scale;
        for (std::int64_t i = begin; i < end; i++)
            out.codes[i] = map.nearest(scale > 0 ? (absmax[i] - offset) / scale : 0.0f);
    });
}

}  // namespace tandem
