// cuBLASLt: descriptors and their attributes. What is not simulated is refused, never ignored.
#include <cstring>
#include <string>

#include "tests/cudasim/cublaslt.h"
#include "tests/cudasim/reports.h"

namespace cudasim::lt {
namespace {

template <class Field> cublasStatus_t set(Field& field, const void* value, std::size_t bytes) {
    if (!value || bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

constexpr std::uint32_t default_alignment = 256;  // of preferences, in bytes

}  // namespace

cublasStatus_t refuse(cublasStatus_t status, const char* call, const char* why) {
    report(std::string(call) + ": " + why);
    return status;
}

std::size_t element(cudaDataType type) {
    if (type == CUDA_R_32F) return 4;
    return type == CUDA_R_16BF || type == CUDA_R_16F ? 2 : 0;
}

std::int64_t offset(const Layout& l, std::uint64_t row, std::uint64_t column) {
    return l.order == CUBLASLT_ORDER_ROW ? std::int64_t(row) * l.ld + std::int64_t(column)
                                         : std::int64_t(column) * l.ld + std::int64_t(row);
}

}  // namespace cudasim::lt

using namespace cudasim::lt;

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* h) {
    *h = reinterpret_cast<cublasLtHandle_t>(new int);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
    delete reinterpret_cast<int*>(h);
    return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
const char* cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        default: return "unknown cuBLAS status";
    }
}
const char* cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t l, size_t, cudaDataType type, uint64_t rows,
                                                 uint64_t cols, int64_t ld) {
    std::memset(l, 0, sizeof *l);
    of(l) = {type, CUBLASLT_ORDER_COL, rows, cols, ld, 0, 1};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld) {
    *l = new cublasLtMatrixLayoutOpaque_t;
    return cublasLtMatrixLayoutInit_internal(*l, sizeof **l, type, rows, cols, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
    switch (attribute) {
        case CUBLASLT_MATRIX_LAYOUT_TYPE: return set(of(l).type, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ORDER: return set(of(l).order, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ROWS: return set(of(l).rows, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_COLS: return set(of(l).cols, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_LD: return set(of(l).ld, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(of(l).batch, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(of(l).stride, value, bytes);
        default:
            return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatrixLayoutSetAttribute",
                          "attribute is not simulated");
    }
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t d, size_t, cublasComputeType_t compute,
                                               cudaDataType_t scale) {
    std::memset(d, 0, sizeof *d);
    of(d) = {compute, scale,           CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_POINTER_MODE_HOST, CUBLASLT_EPILOGUE_DEFAULT,
             nullptr, bias_like_output};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute, cudaDataType_t scale) {
    *d = new cublasLtMatmulDescOpaque_t;
    return cublasLtMatmulDescInit_internal(*d, sizeof **d, compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
    switch (attribute) {
        case CUBLASLT_MATMUL_DESC_TRANSA: return set(of(d).transpose_a, value, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSB: return set(of(d).transpose_b, value, bytes);
        case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set(of(d).pointer_mode, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(of(d).epilogue, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(of(d).bias, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(of(d).bias_type, value, bytes);
        default:
            return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulDescSetAttribute", "attribute is not simulated");
    }
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t p, size_t) {
    std::memset(p, 0, sizeof *p);
    of(p) = {0,
             CUBLASLT_SEARCH_BEST_FIT,
             CUBLASLT_REDUCTION_SCHEME_MASK,
             {default_alignment, default_alignment, default_alignment, default_alignment}};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
    *p = new cublasLtMatmulPreferenceOpaque_t;
    return cublasLtMatmulPreferenceInit_internal(*p, sizeof **p);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
    Preference& x = of(p);
    switch (attribute) {
        case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(x.max_workspace, value, bytes);
        case CUBLASLT_MATMUL_PREF_SEARCH_MODE: return set(x.search_mode, value, bytes);
        case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(x.reduction_schemes, value, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return set(x.alignment[0], value, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return set(x.alignment[1], value, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return set(x.alignment[2], value, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return set(x.alignment[3], value, bytes);
        default:
            return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulPreferenceSetAttribute",
                          "attribute is not simulated");
    }
}

}  // extern "C"
