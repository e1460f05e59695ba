// Floats as bits, on the host and on cards.
#pragma once
#include <bit>
#include <cstdint>

#include "runtime/host_device.h"

namespace tandem::hqq {

TANDEM_HOST_DEVICE inline std::uint32_t bits_of(float v) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(v);
#else
    return std::bit_cast<std::uint32_t>(v);
#endif
}
TANDEM_HOST_DEVICE inline float from_bits(std::uint32_t v) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(v);
#else
    return std::bit_cast<float>(v);
#endif
}

// Of a finite f16: exponent and fraction moved to where f32 has them are the number times 2^-112, exactly.
TANDEM_HOST_DEVICE inline float from_f16(std::uint32_t bits) {
    return from_bits((bits & 0x8000u) << 16 | bits_of(from_bits((bits & 0x7fffu) << 13) * 0x1p112f));
}

}  // namespace tandem::hqq
