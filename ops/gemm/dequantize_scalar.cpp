// The 16 values of a block are made once; an element is then a look-up.
#include <algorithm>

#include "ops/gemm/machines.h"
#include "quant/quant_tensor.h"

namespace tandem {

namespace {
template <class T> void dequantize_to(const QuantTensor& weight, std::int64_t begin, std::int64_t end, T* out) {
    while (begin < end) {
        const std::int64_t block = begin / weight.spec.block;
        const std::int64_t stop = std::min(end, (block + 1) * weight.spec.block);
        const float absmax = absmax_of_block(weight, block);
        T values[16];
        for (int code = 0; code < 16; code++) values[code] = T(weight.code_book[code] * absmax);
        for (; begin < stop; begin++) {
            const int pair = weight.codes[begin / 2];
            *out++ = values[begin % 2 ? pair & 15 : pair >> 4];
        }
    }
}
}  // namespace

void dequantize_scalar(const QuantTensor& weight, std::int64_t begin, std::int64_t count, DType dtype, void* out) {
    visit_compute(dtype, [&]<class T>() { dequantize_to(weight, begin, begin + count, static_cast<T*>(out)); });
}

}  // namespace tandem
