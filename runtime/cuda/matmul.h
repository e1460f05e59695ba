// Dense matrix products on a card, by cuBLASLt. bf16 is summed in f32; f32 is f32 throughout, never TF32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/dtype.h"

struct CUstream_st;

namespace tandem {

// A matrix as it lies in memory, by rows. Its address and the bytes of a row are multiples of 16.
struct DenseOperand {
    const std::byte* data = nullptr;
    std::int64_t stride = 0;  // elements from one stored row to the next
    bool transposed = false;  // A is stored [k, m], B is stored [n, k]
};

// c = alpha * a b + addend + bias, rounded once.
struct DenseProduct {
    std::int64_t m = 0, n = 0, k = 0;
    DType type = DType::bf16;    // of a and b: f32 | bf16
    DenseOperand a;             // [m, k]
    DenseOperand b;             // [k, n]
    std::byte* c = nullptr;      // [m, n]
    DType c_type = DType::bf16;  // that of a and b, or f32
    std::int64_t c_stride = 0;
    const std::byte* addend = nullptr;  // [m, n] of c's type and stride; may be c itself; null: none
    const std::byte* bias = nullptr;    // [n] of c's type; null: none
    float alpha = 1;
};

class Matmul {
  public:
    static constexpr std::size_t workspace_bytes = 32u << 20;  // what cuBLASLt may use; fixed, as its choices follow it

    explicit Matmul(std::byte* workspace);
    ~Matmul();
    // The algorithm depends on the shapes, the card and the library alone: the first that cuBLASLt proposes.
    void run(CUstream_st* stream, const DenseProduct& args);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tandem
