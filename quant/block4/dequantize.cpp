#include <fmt/core.h>

#include <algorithm>

#include "quant/quantize.h"
#include "runtime/error.h"

namespace tandem {

template <class T> void dequantize(const QuantTensor& q, std::int64_t first, std::int64_t count, T* out) {
    const std::int64_t end = first + count, elements = q.rows * q.cols;
    if (first < 0 || count < 0 || end > elements)
        throw Error(
            fmt::format("[dequantize] expected a range inside {} elements, got {} from {}", elements, count, first));
    for (std::int64_t i = first; i < end;) {
        const std::int64_t block = i / q.spec.block, stop = std::min((block + 1) * q.spec.block, end);
        const float absmax = absmax_of_block(q, block);
        T value[16];
        for (int c = 0; c < 16; c++) value[c] = T(q.code_book[c] * absmax);
        if (i & 1) *out++ = value[q.codes[i++ / 2] & 15];
        for (; i + 1 < stop; i += 2) {
            const std::uint8_t pair = q.codes[i / 2];
            *out++ = value[pair >> 4];
            *out++ = value[pair & 15];
        }
        if (i < stop) *out++ = value[q.codes[i++ / 2] >> 4];
    }
}

template void dequantize<double>(const QuantTensor&, std::int64_t, std::int64_t, double*);
template void dequantize<float>(const QuantTensor&, std::int64_t, std::int64_t, float*);
template void dequantize<bf16>(const QuantTensor&, std::int64_t, std::int64_t, bf16*);

}  // namespace tandem
