#include "quant/double_quant.h"

#include <algorithm>
#include <cmath>

#include "quant/dynamic_map.h"

namespace tandem {

void double_quantize(const float* absmax, std::int64_t blocks, int nested_block, const DoubleQuantized& out,
                     ThreadPool& pool) {
    double sum = 0;  // one thread, in order, in double: within 1 ulp of the true mean, whatever the number of threads
    for (std::int64_t i = 0; i < blocks; i++) sum += absmax[i];
    const float offset = float(sum / double(blocks));
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
