#include "quant/block4/nf4.h"

#include "quant/block4/encode_block.h"

namespace tandem {

void nf4_encode(const float* x, std::int64_t n, float inverse_absmax, std::uint8_t* packed) {
    encode_block(x, n, inverse_absmax, packed, [](float v) { return nf4_code(v); });
}

}  // namespace tandem
