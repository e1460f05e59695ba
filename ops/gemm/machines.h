// The micro-kernels, one file each, and the packers and stores that several of them share.
#pragma once
#include "ops/gemm/micro_kernel.h"

namespace tandem {

extern const MicroKernel scalar_f64_kernel, scalar_f32_kernel;  // micro_kernel_scalar.cpp
extern const MicroKernel avx2_kernel;                           // micro_kernel_avx2.cpp
extern const MicroKernel avx512_kernel;                         // micro_kernel_avx512.cpp
extern const MicroKernel avx512_bf16_kernel;                    // micro_kernel_avx512_bf16.cpp

template <class Panel> void pack_scalar(const PackBlock& block, StripLayout layout, void* strips);
// Panel is float with step 1, or bf16 with step 2; the width is a multiple of 4.
template <class Panel> void pack_avx2(const PackBlock& block, StripLayout layout, void* strips);

template <class Sum> void store_scalar(const MatmulArgs& args, const StoreTile& tile);
void store_avx2(const MatmulArgs& args, const StoreTile& tile);  // of float sums, same bits as store_scalar

bool cpu_has_avx2();    // with FMA
bool cpu_has_avx512();  // F, BW, DQ, VL

}  // namespace tandem
