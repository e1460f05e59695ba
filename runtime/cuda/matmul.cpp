#include "runtime/cuda/matmul.h"

#include <fmt/core.h>

#include <cublasLt.h>

#include <array>
#include <map>
#include <source_location>

#include "runtime/error.h"

namespace tandem {

namespace {

void check(cublasStatus_t status, const char* call, std::source_location where = std::source_location::current()) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw Error(fmt::format("[cuda] {} failed at {}:{}: {}", call, where.file_name(), where.line(),
                            cublasLtGetStatusString(status)),
                where);
}

cudaDataType data_type(DType t) { return t == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

template <class Handle, cublasStatus_t (*destroy)(Handle)> struct Destroy {
    using pointer = Handle;
    void operator()(Handle h) const { destroy(h); }
};
using Layout = std::unique_ptr<void, Destroy<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>;
using Description = std::unique_ptr<void, Destroy<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>;
using Preference = std::unique_ptr<void, Destroy<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>>;

Layout layout(DType type, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    cublasLtMatrixLayout_t l = nullptr;
    check(cublasLtMatrixLayoutCreate(&l, data_type(type), std::uint64_t(rows), std::uint64_t(cols), stride),
          "cublasLtMatrixLayoutCreate");
    return Layout(l);
}

// A product as cuBLASLt wants it. It counts by columns, where the same bytes are the transpose: c^T = b^T a^T.
struct LtProduct {
    Description description;
    Layout a, b, c;
    cublasLtMatmulAlgo_t algorithm{};
};

void set_bias(cublasLtMatmulDesc_t description, const std::byte* bias) {  // of c's type
    check(cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
          "cublasLtMatmulDescSetAttribute");
}

using Key = std::array<std::int64_t, 12>;

Key key_of(const DenseProduct& g) {
    return {g.m,
            g.n,
            g.k,
            g.a.stride,
            g.b.stride,
            g.c_stride,
            g.a.transposed,
            g.b.transposed,
            int(g.type),
            int(g.c_type),
            g.addend != nullptr,
            g.bias != nullptr};
}

}  // namespace

struct Matmul::State {
    cublasLtHandle_t handle = nullptr;
    std::byte* workspace;
    std::map<Key, LtProduct> products;

    ~State() {
        if (handle) cublasLtDestroy(handle);
    }
    const LtProduct& product(const DenseProduct& g);
    void choose(LtProduct& p);
};

// The alignments asked for are those of the rank's memory, not of this call's pointers: the choice must not depend on
// where a tensor lies. Sums over k are never split with atomics.
void Matmul::State::choose(LtProduct& p) {
    cublasLtMatmulPreference_t raw = nullptr;
    check(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
    Preference preference(raw);
    auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
        check(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof value),
              "cublasLtMatmulPreferenceSetAttribute");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(workspace_bytes));
    for (auto side : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
        set(side, std::uint32_t(16));
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        std::uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_NONE));
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle, p.description.get(), p.a.get(), p.b.get(), p.c.get(), p.c.get(), raw,
                                         1, &found, &count),
          "cublasLtMatmulAlgoGetHeuristic");
    if (count == 0)
        throw Error("[matmul] cuBLASLt has no algorithm for this product; set " + setting("gpus") +
                    " to another card or to cpu");
    p.algorithm = found.algo;
}

const LtProduct& Matmul::State::product(const DenseProduct& g) {
    const Key key = key_of(g);
    if (auto known = products.find(key); known != products.end()) return known->second;
    LtProduct p;
    cublasLtMatmulDesc_t raw = nullptr;
    check(cublasLtMatmulDescCreate(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    p.description.reset(raw);
    auto set = [&](cublasLtMatmulDescAttributes_t attribute, bool transposed) {
        cublasOperation_t op = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
        check(cublasLtMatmulDescSetAttribute(raw, attribute, &op, sizeof op), "cublasLtMatmulDescSetAttribute");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, g.b.transposed);
    set(CUBLASLT_MATMUL_DESC_TRANSB, g.a.transposed);
    if (g.bias) {
        const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
        check(cublasLtMatmulDescSetAttribute(raw, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
              "cublasLtMatmulDescSetAttribute");
        set_bias(raw, g.bias);
    }
    p.a = layout(g.type, g.b.transposed ? g.k : g.n, g.b.transposed ? g.n : g.k, g.b.stride);
    p.b = layout(g.type, g.a.transposed ? g.m : g.k, g.a.transposed ? g.k : g.m, g.a.stride);
    p.c = layout(g.c_type, g.n, g.m, g.c_stride);
    choose(p);
    return products.emplace(key, std::move(p)).first->second;
}

Matmul::Matmul(std::byte* workspace) : state_(std::make_unique<State>()) {
    state_->workspace = workspace;
    check(cublasLtCreate(&state_->handle), "cublasLtCreate");
}

Matmul::~Matmul() = default;

void Matmul::run(CUstream_st* stream, const DenseProduct& g) {
    if (g.m == 0 || g.n == 0) return;
    const LtProduct& p = state_->product(g);
    if (g.bias) set_bias(p.description.get(), g.bias);
    const float beta = g.addend ? 1 : 0;
    check(cublasLtMatmul(state_->handle, p.description.get(), &g.alpha, g.b.data, p.a.get(), g.a.data, p.b.get(), &beta,
                         g.addend ? g.addend : g.c, p.c.get(), g.c, p.c.get(), &p.algorithm, state_->workspace,
                         workspace_bytes, stream),
          "cublasLtMatmul");
}

}  // namespace tandem
