// What the dequantizers share.
#pragma once
#include "quant/quant_tensor.h"

namespace tandem {

// Double quantization has two roundings: the product, and the sum with the offset (bitsandbytes).
inline float block_absmax(const QuantTensor& weight, std::int64_t block) {
    if (!weight.spec.nested) return weight.absmax[block];
    const float outer = weight.nested_absmax[std::uint64_t(block) / unsigned(weight.spec.nested_block)];
    const float scaled = weight.nested_map[weight.absmax_codes[block]] * outer;
    return scaled + *weight.offset;
}

}  // namespace tandem
