// Weights to 4 bits on a card: to the bytes of quant/quantize.h, whatever the card.
#pragma once
#include <span>

#include "quant/quant_tensor.h"
#include "runtime/cuda/cuda_device.h"

namespace tandem {

// Where one tensor is quantized, in device memory.
struct QuantizeJob {
    QuantSpec spec;
    std::int64_t elements;
    std::byte* out;        // [quant_layout(spec, elements).bytes], 16-byte aligned
    std::byte* workspace;  // [quantize_workspace(spec, elements)], 16-byte aligned
};
std::size_t quantize_workspace(const QuantSpec& spec, std::int64_t elements);

// Codes and absmax of `count` elements from element `first` on; `weight` are these, of type f32, bf16 or f16, 16-byte
// aligned. `first` is a multiple of 4096; so is `count`, but for the last elements.
void quantize_blocks(CUstream_st* stream, const QuantizeJob& job, DType dtype, const std::byte* weight,
                     std::int64_t first, std::int64_t count);

// What is left once all blocks have their codes: double quantization, tables, zeros between the parts. The u32 that
// `workspace` begins with becomes 1 if a weight is NaN or infinite (`out` is then of no use), else 0.
void finish_quantize(CUstream_st* stream, const QuantizeJob& job);

// Weights in host memory, quantized on the card into host memory by way of its scratch and its tiles, which no other
// work may use meanwhile.
bool fits_on_card(const CudaDevice& device, const QuantSpec& spec, std::int64_t elements);
// False if a weight is NaN or infinite.
bool quantize(const CudaDevice& device, const QuantSpec& spec, DType dtype, std::span<const std::byte> weight,
              std::span<std::byte> out);

}  // namespace tandem
