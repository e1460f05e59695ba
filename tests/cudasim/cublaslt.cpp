// cuBLASLt: the heuristic and the product.
#include "tests/cudasim/cublaslt.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/gemm.h"

namespace cudasim::lt {
namespace {

constexpr std::uint64_t wanted_workspace = 1 << 20;  // so that callers really pass what they are asked for

float widen(float v) { return v; }
float widen(__nv_bfloat16 v) { return __bfloat162float(v); }
float widen(__half v) { return __half2float(v); }
void narrow(float v, float& to) { to = v; }
void narrow(float v, __nv_bfloat16& to) { to = __float2bfloat16_rn(v); }
void narrow(float v, __half& to) { to = __float2half_rn(v); }

template <class F> void visit(cudaDataType type, F f) {
    if (type == CUDA_R_32F)
        f(float{});
    else if (type == CUDA_R_16BF)
        f(__nv_bfloat16{});
    else
        f(__half{});
}

std::uint64_t extent(const Layout& l) {  // bytes from the first to past the last element
    return element(l.type) * std::uint64_t(l.stride * (l.batch - 1) + offset(l, l.rows - 1, l.cols - 1) + 1);
}

// Dense row-major float copy of op(matrix).
void gather(const void* p, const Layout& l, bool transpose, std::vector<float>& out) {
    const std::int64_t rows = std::int64_t(transpose ? l.cols : l.rows),
                       cols = std::int64_t(transpose ? l.rows : l.cols);
    const bool contiguous_rows = (l.order == CUBLASLT_ORDER_ROW) != transpose;
    const std::int64_t row_step = contiguous_rows ? l.ld : 1, column_step = contiguous_rows ? 1 : l.ld;
    out.resize(rows * cols);
    visit(l.type, [&](auto zero) {
        const auto* from = static_cast<const decltype(zero)*>(p);
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < cols; ++c) out[r * cols + c] = widen(from[r * row_step + c * column_step]);
    });
}

bool valid(const Layout& l) {
    return element(l.type) && l.rows && l.cols && l.batch >= 1 &&
           (l.order == CUBLASLT_ORDER_ROW || l.order == CUBLASLT_ORDER_COL) &&
           l.ld >= std::int64_t(l.order == CUBLASLT_ORDER_ROW ? l.cols : l.rows);
}

struct Product {
    Matmul x;
    Layout a, b, c, d;
    float alpha, beta;
    const char *a_data, *b_data, *c_data;
    char* d_data;

    void run() const {
        std::vector<float> fa, fb, sum(d.rows * d.cols);
        for (int i = 0; i < d.batch; ++i) {
            gather(a_data + a.stride * i * std::int64_t(element(a.type)), a, x.transpose_a != CUBLAS_OP_N, fa);
            gather(b_data + b.stride * i * std::int64_t(element(b.type)), b, x.transpose_b != CUBLAS_OP_N, fb);
            const auto k = std::int64_t(x.transpose_a != CUBLAS_OP_N ? a.rows : a.cols);
            gemm(std::int64_t(d.rows), std::int64_t(d.cols), k, fa.data(), fb.data(), sum.data());
            visit(d.type, [&](auto zero) { write(zero, sum, i); });
        }
    }

    template <class T> void write(T, const std::vector<float>& sum, int batch) const {
        const auto* from = reinterpret_cast<const T*>(c_data) + c.stride * batch;
        auto* to = reinterpret_cast<T*>(d_data) + d.stride * batch;
        std::vector<float> bias(d.rows);
        if (x.epilogue == CUBLASLT_EPILOGUE_BIAS)
            visit(cudaDataType(x.bias_type), [&](auto zero) {
                for (std::size_t r = 0; r < d.rows; ++r) bias[r] = widen(static_cast<const decltype(zero)*>(x.bias)[r]);
            });
        for (std::size_t r = 0; r < d.rows; ++r)
            for (std::size_t q = 0; q < d.cols; ++q) {
                float v = alpha * sum[r * d.cols + q];
                if (beta != 0) v += beta * widen(from[offset(c, r, q)]);
                if (x.epilogue == CUBLASLT_EPILOGUE_BIAS) v += bias[r];
                narrow(v, to[offset(d, r, q)]);
            }
    }
};

bool aligned(const void* p, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

}  // namespace

cublasStatus_t check(const Matmul& x, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
    const auto unsupported = [](const char* why) { return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cuBLASLt", why); };
    const auto invalid = [](const char* why) { return refuse(CUBLAS_STATUS_INVALID_VALUE, "cuBLASLt", why); };
    if (x.compute != CUBLAS_COMPUTE_32F || x.scale != CUDA_R_32F)
        return unsupported("simulated are CUBLAS_COMPUTE_32F and CUDA_R_32F as scale");
    if (x.pointer_mode != CUBLASLT_POINTER_MODE_HOST)
        return unsupported("alpha and beta are simulated on the host only");
    for (const Layout* l : {&a, &b, &c, &d})
        if (!valid(*l)) return invalid("a layout's type, order, size, leading dimension or batch count");
    if (a.type != b.type || c.type != d.type) return unsupported("A and B, and C and D, must have one type each");
    if (d.type != CUDA_R_32F && d.type != a.type) return unsupported("D must be float or of A's type");
    const bool ta = x.transpose_a != CUBLAS_OP_N, tb = x.transpose_b != CUBLAS_OP_N;
    const auto m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols, n = tb ? b.rows : b.cols;
    if (k != (tb ? b.cols : b.rows) || d.rows != m || d.cols != n || c.rows != m || c.cols != n)
        return invalid("the sizes do not fit each other");
    if (a.batch != d.batch || b.batch != d.batch || c.batch != d.batch) return invalid("batch counts differ");
    if (c.order != d.order) return unsupported("C and D must have one order");
    if (x.epilogue == CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_SUCCESS;
    if (x.epilogue != CUBLASLT_EPILOGUE_BIAS) return unsupported("an epilogue that is not simulated");
    // The bias has an element per row of D and is documented for column order.
    if (d.order != CUBLASLT_ORDER_COL) return unsupported("a bias is simulated for column order only");
    const bool like_output = x.bias_type == bias_like_output || x.bias_type == d.type;
    if (!like_output && x.bias_type != CUDA_R_32F) return unsupported("the bias must be float or of D's type");
    return CUBLAS_STATUS_SUCCESS;
}

}  // namespace cudasim::lt

using namespace cudasim::lt;

extern "C" {

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t x, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
                                              int wanted, cublasLtMatmulHeuristicResult_t results[], int* found) {
    const char* const call = "cublasLtMatmulAlgoGetHeuristic";
    *found = 0;
    if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    if (const auto status = check(of(x), of(a), of(b), of(c), of(d)); status != CUBLAS_STATUS_SUCCESS) return status;
    const Preference& p = of(preference);
    if (p.search_mode != CUBLASLT_SEARCH_BEST_FIT)
        return refuse(CUBLAS_STATUS_NOT_SUPPORTED, call, "search mode is not simulated");
    if (p.reduction_schemes & ~unsigned(CUBLASLT_REDUCTION_SCHEME_MASK)) return CUBLAS_STATUS_INVALID_VALUE;
    std::memset(&results[0], 0, sizeof results[0]);
    // Without split-k: allowed by every mask of reduction schemes.
    Algorithm chosen{std::min(wanted_workspace, p.max_workspace), {}};
    std::copy(p.alignment, p.alignment + 4, chosen.alignment);
    held<Algorithm>(&results[0].algo) = chosen;
    results[0].workspaceSize = chosen.workspace;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    results[0].wavesCount = 1;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t x, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta,
                              const void* c, cublasLtMatrixLayout_t lc, void* d, cublasLtMatrixLayout_t ld,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
    const char* const call = "cublasLtMatmul";
    Product p{of(x),
              of(la),
              of(lb),
              of(lc),
              of(ld),
              *static_cast<const float*>(alpha),
              *static_cast<const float*>(beta),
              static_cast<const char*>(a),
              static_cast<const char*>(b),
              static_cast<const char*>(c),
              static_cast<char*>(d)};
    if (const auto status = check(p.x, p.a, p.b, p.c, p.d); status != CUBLAS_STATUS_SUCCESS) return status;
    if (p.x.bias_type == bias_like_output) p.x.bias_type = p.d.type;
    if (p.beta == 0) p.c_data = p.d_data;  // never read
    const void* const data[] = {p.a_data, p.b_data, p.c_data, p.d_data};
    const Layout* const layouts[] = {&p.a, &p.b, &p.c, &p.d};
    for (int i = 0; i < 4; ++i) {
        const std::size_t needed = algorithm ? of(algorithm).alignment[i] : element(layouts[i]->type);
        if (!aligned(data[i], std::max<std::size_t>(needed, 1)))
            return refuse(CUBLAS_STATUS_INVALID_VALUE, call,
                          "a matrix is aligned to less than the algorithm was chosen for");
    }
    if (algorithm && of(algorithm).workspace > workspace_bytes)
        return refuse(CUBLAS_STATUS_INVALID_VALUE, call, "the workspace is smaller than the algorithm needs");
    if (workspace_bytes && (!workspace || !aligned(workspace, 16)))
        return refuse(CUBLAS_STATUS_INVALID_VALUE, call, "the workspace must be aligned to 16 bytes");
    std::vector<cudasim::Access> touched{{a, extent(p.a), false}, {b, extent(p.b), false}, {d, extent(p.d), true}};
    if (p.beta != 0) touched.push_back({c, extent(p.c), false});
    if (p.x.epilogue == CUBLASLT_EPILOGUE_BIAS) {
        if (!p.x.bias) return refuse(CUBLAS_STATUS_INVALID_VALUE, call, "no bias pointer");
        touched.push_back({p.x.bias, p.d.rows * element(cudaDataType(p.x.bias_type)), false});
    }
    if (workspace_bytes) touched.push_back({workspace, workspace_bytes, true});
    const auto e = cudasim::enqueue(call, touched, stream, [p] { p.run(); });
    return e == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
