// Products whose B is a quantized weight, on a card.
#pragma once
#include "ops/gemm/dense_product.h"
#include "ops/gemm/matmul.h"

namespace tandem {

// Of its ways that one which is best for the shape and the card.
void qmatmul(const CudaDevice& device, const MatmulArgs& args);

// The ways, for qmatmul alone and for tests. Those that read codes need a weight that visit_pairs takes
// (quant/decode_pair.cuh), x = A with rows that follow each other, W = B transposed with rows of whole 32 elements, and
// C with rows that follow each other, no addend and no alpha.
void qmatmul_few(const CudaDevice& device, const MatmulArgs& args);   // m at most 8
void qmatmul_some(const CudaDevice& device, const MatmulArgs& args);  // bf16; m about 9 to 128
void qmatmul_tile(const CudaDevice& device, const MatmulArgs& args);  // any

// As cuBLASLt is given it, with B in this place.
DenseProduct dense_product(const MatmulArgs& args, const DenseOperand& b);

}  // namespace tandem
