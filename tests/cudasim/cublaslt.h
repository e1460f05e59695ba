// What the opaque descriptors of the cuBLASLt slice hold.
#pragma once
#include <cublasLt.h>

#include <cstdint>

namespace cudasim::lt {

struct Layout {
    cudaDataType type;
    cublasLtOrder_t order;
    std::uint64_t rows, cols;
    std::int64_t ld, stride;
    std::int32_t batch;
};

struct Matmul {
    cublasComputeType_t compute;
    cudaDataType scale;
    cublasOperation_t transpose_a, transpose_b;
    cublasLtPointerMode_t pointer_mode;
    cublasLtEpilogue_t epilogue;
    const void* bias;
    std::int32_t bias_type;  // a cudaDataType, or bias_like_output
};
inline constexpr std::int32_t bias_like_output = -1;

struct Preference {
    std::uint64_t max_workspace;
    std::uint32_t search_mode, reduction_schemes;
    std::uint32_t alignment[4];  // bytes, of A, B, C, D
};

// What cublasLtMatmulAlgo_t holds: the workspace that it needs and the alignments that it was chosen for.
struct Algorithm {
    std::uint64_t workspace;
    std::uint32_t alignment[4];
};

template <class Held, class Opaque> Held& held(Opaque* opaque) {
    static_assert(sizeof(Held) <= sizeof(Opaque));
    return *reinterpret_cast<Held*>(opaque);
}
inline Layout& of(cublasLtMatrixLayout_t l) { return held<Layout>(l); }
inline Matmul& of(cublasLtMatmulDesc_t d) { return held<Matmul>(d); }
inline Preference& of(cublasLtMatmulPreference_t p) { return held<Preference>(p); }
inline const Algorithm& of(const cublasLtMatmulAlgo_t* a) { return held<const Algorithm>(a); }

std::size_t element(cudaDataType type);  // bytes; 0: a type that is not simulated
std::int64_t offset(const Layout& l, std::uint64_t row, std::uint64_t column);

// Whether this product is simulated: bf16, f16 or f32 in and out, float accumulation, the default epilogue or a bias.
cublasStatus_t check(const Matmul& x, const Layout& a, const Layout& b, const Layout& c, const Layout& d);
// Reports why and returns the status: a call that is not simulated never goes unnoticed.
cublasStatus_t refuse(cublasStatus_t status, const char* call, const char* why);

}  // namespace cudasim::lt
