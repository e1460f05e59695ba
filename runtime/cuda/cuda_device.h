// What the launcher of a CUDA kernel is given. No CUDA header is needed to read this one.
#pragma once
#include <cstddef>

struct CUstream_st;  // cudaStream_t points to it

namespace tandem {

class Matmul;
class Staging;
class TileAhead;

struct CudaDevice {
    // Scratch for partial sums and the like. Nothing in it outlives the op; its use never depends on the card.
    static constexpr std::size_t scratch_bytes = 16u << 20;

    int ordinal = 0;
    CUstream_st* stream = nullptr;  // the rank's compute stream: every op's work goes there, in order
    std::byte* scratch = nullptr;   // scratch_bytes, 256-byte aligned
    Matmul* matmul = nullptr;       // cuBLASLt and its workspace
    TileAhead* tiles = nullptr;     // dequantized weights, one ahead
    Staging* staging = nullptr;     // host memory that copies pass through
};

}  // namespace tandem
