// Weights to a format's codes and back.
#pragma once
#include <span>

#include "quant/formats.h"
#include "quant/host_weight.h"
#include "quant/noise.h"

namespace tandem {

class ThreadPool;

// True if a weight is NaN or infinite.
bool has_nonfinite(const float* weight, std::int64_t elements, ThreadPool& pool);

// Writes every byte of `out`, zeros between the parts; the bytes do not depend on the number of threads. False if a
// weight is NaN or infinite (`out` is then of no use): only the caller knows the tensor's name. Throws Error for a spec
// out of its format's range, and for no elements.
[[nodiscard]] bool quantize(const QuantSpec& spec, const HostWeight& weight,
                            std::byte* out,  // [quant_bytes(spec, rows, cols)]
                            ThreadPool& pool);

// The same on a card, to the same bytes, whatever the card, from host memory into host memory by way of its scratch and
// its tiles, which no other work may use meanwhile and must have room for it.
bool fits_on_card(const CudaDevice& device, const QuantSpec& spec, std::int64_t rows, std::int64_t cols);
[[nodiscard]] bool quantize(const CudaDevice& device, const QuantSpec& spec, const HostWeight& weight,
                            std::span<std::byte> out);

// Noise in the place of a weight: writes every byte, the same for any number of threads.
void fill_with_noise(const QuantSpec& spec, const Noise& noise, std::int64_t rows, std::int64_t cols, std::byte* out,
                     ThreadPool& pool);

// out[i] = T(value) of flat element first + i: the value in fp32, then one rounding to T (double and float hold it as
// it is). Throws Error if the range is not inside the tensor.
template <class T>  // double | float | bf16
void dequantize(const QuantTensor& q, std::int64_t first, std::int64_t count, T* out);

}  // namespace tandem
