// Weights to 4 bits and back, on the host.
#pragma once
#include <cstddef>
#include <cstdint>

#include "quant/quant_tensor.h"

namespace tandem {

class ThreadPool;

// True if a weight is NaN or infinite: such a tensor cannot be quantized, and only the caller knows its name.
bool has_nonfinite(const float* weight, std::int64_t elements, ThreadPool& pool);

// Writes every byte of `out`: codes, absmax (or their codes and scales), tables; zeros between the parts. The bytes do
// not depend on the number of threads. A block of zeros, or one so small (absmax <= 2^-128) that 1/absmax is no fp32
// number, gets codes of zero. Throws Error for a spec that is no 4-bit block format, for no elements, and for NaN or
// infinity.
void quantize(const QuantSpec& spec,
              const float* weight,  // [elements], row-major
              std::int64_t elements,
              std::byte* out,  // [quant_layout(spec, elements).bytes]
              ThreadPool& pool);

// out[i] = T(code value * absmax) of flat element first + i: the product in fp32, then one rounding to T (double and
// float hold it as it is). Throws Error if the range is not inside the tensor.
template <class T>  // double | float | bf16
void dequantize(const QuantTensor& q, std::int64_t first, std::int64_t count, T* out);

}  // namespace tandem
