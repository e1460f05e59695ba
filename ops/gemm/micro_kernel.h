// What the blocked product needs from one kind of machine: a micro-kernel, and what brings operands into its layout.
// A further machine (AMX) is a further file: it fills in one MicroKernel and is entered in micro_kernel.cpp.
#pragma once
#include <cstdint>
#include <span>

#include "ops/gemm/matmul.h"
#include "ops/gemm/range_decoder.h"

namespace tandem {

// `width` lines (rows of A, columns of B) are packed together as [k / step][width][step].
struct StripLayout {
    int width = 1;
    int step = 1;
};

// A block of an operand: `lines` x `k` elements, packed strip after strip; zeros beyond `lines` and from k to padded_k.
struct PackBlock {
    const void* data = nullptr;
    DType dtype = DType::f32;
    std::int64_t stride = 0;  // elements from one stored row to the next
    bool along_k = true;      // a stored row runs along k, else along the lines
    std::int64_t lines = 0, k = 0;
    std::int64_t padded_k = 0;  // a multiple of the step
};

// A tile of sums on its way into C: addend, bias, alpha, and the one rounding.
struct StoreTile {
    const void* sums = nullptr;  // [rows, cols] of accumulate_t of the micro-kernel's type
    std::int64_t sums_stride = 0;
    std::int64_t row = 0, col = 0, rows = 0, cols = 0;  // of C
};

struct MicroKernel {
    const char* name;
    DType type;           // of the packed elements; as wide as the operands or wider
    StripLayout a, b;     // widths divide 256 and 192, the largest tile of C
    bool (*supported)();  // by this cpu
    // Packs a block into elements of `type`.
    void (*pack)(const PackBlock& block, StripLayout layout, void* strips);
    RangeDecoder (*decoder)(const QuantTensor& weight);
    // sums[rows, b.width] += A B over k, a multiple of both steps; rows <= a.width. Each sum is one chain in the order
    // of k, started anew at zero, whatever `rows` is.
    void (*multiply)(int rows, std::int64_t k, const void* a, const void* b, void* sums, std::int64_t sums_stride);
    void (*store)(const MatmulArgs& args, const StoreTile& tile);
};

// All that are compiled in, best first; the cpu may lack some.
std::span<const MicroKernel* const> micro_kernels();

// The best one of this cpu for operands of this type.
const MicroKernel& micro_kernel_for(DType dtype);

// gemm with a micro-kernel of one's own choice: it must be at least as wide as the operands.
void matmul_with(const MicroKernel& kernel, const CpuDevice& device, const MatmulArgs& args);

}  // namespace tandem
