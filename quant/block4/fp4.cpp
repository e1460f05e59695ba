#include "quant/block4/fp4.h"

#include "quant/block4/encode_block.h"

namespace tandem {

void fp4_encode(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed) {
    encode_block(x, n, inverse_absmax, packed, [](float v) { return fp4_code(v); });
}

}  // namespace tandem
