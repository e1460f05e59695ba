// The cuBLASLt slice against plain loops, and what it refuses.
#include <cublasLt.h>
#include <cuda_fp16.h>
#include <doctest/doctest.h>

#include "tests/cudasim/gemm.h"
#include "tests/cudasim/kernels/support.h"

using namespace cudasim;

namespace {

float widen(float v) { return v; }
float widen(__nv_bfloat16 v) { return __bfloat162float(v); }
float widen(__half v) { return __half2float(v); }
void narrow(float v, float& to) { to = v; }
void narrow(float v, __nv_bfloat16& to) { to = __float2bfloat16_rn(v); }
void narrow(float v, __half& to) { to = __float2half_rn(v); }
template <class T> constexpr cudaDataType type_of = CUDA_R_32F;
template <> constexpr cudaDataType type_of<__nv_bfloat16> = CUDA_R_16BF;
template <> constexpr cudaDataType type_of<__half> = CUDA_R_16F;

template <class T> std::vector<T> random(std::size_t count, unsigned seed) {
    std::vector<T> v(count);
    for (std::size_t i = 0; i < count; ++i) narrow(noise(unsigned(i) * 7 + seed), v[i]);
    return v;
}

struct Shape {
    int m, n, k;
    bool transpose_a, transpose_b, column_order;
    int batch = 1;
    float alpha = 1, beta = 0;
    int padding = 0;  // of leading dimensions
};

struct Matrix {
    int rows, cols, ld;
    bool column_order;
    std::int64_t stride() const { return std::int64_t(ld) * (column_order ? cols : rows) + 3 * 16; }
    std::int64_t at(int r, int c) const { return column_order ? std::int64_t(c) * ld + r : std::int64_t(r) * ld + c; }
};
Matrix matrix(int rows, int cols, const Shape& s) {
    return {rows, cols, (s.column_order ? rows : cols) + s.padding, s.column_order};
}

class Layout {
  public:
    Layout(cudaDataType type, const Matrix& m, int batch) {
        cublasLtMatrixLayoutCreate(&layout_, type, m.rows, m.cols, m.ld);
        const cublasLtOrder_t order = m.column_order ? CUBLASLT_ORDER_COL : CUBLASLT_ORDER_ROW;
        set(CUBLASLT_MATRIX_LAYOUT_ORDER, order);
        set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, std::int32_t(batch));
        set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, m.stride());
    }
    ~Layout() { cublasLtMatrixLayoutDestroy(layout_); }
    Layout(const Layout&) = delete;
    Layout& operator=(const Layout&) = delete;
    operator cublasLtMatrixLayout_t() const { return layout_; }
    template <class T> void set(cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
        CHECK(cublasLtMatrixLayoutSetAttribute(layout_, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
    }

  private:
    cublasLtMatrixLayout_t layout_;
};

class Description {
  public:
    explicit Description(const Shape& s, cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
        cublasLtMatmulDescCreate(&description_, compute, CUDA_R_32F);
        set(CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
        set(CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    }
    ~Description() { cublasLtMatmulDescDestroy(description_); }
    Description(const Description&) = delete;
    Description& operator=(const Description&) = delete;
    operator cublasLtMatmulDesc_t() const { return description_; }
    template <class T> void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
        CHECK(cublasLtMatmulDescSetAttribute(description_, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
    }

  private:
    cublasLtMatmulDesc_t description_;
};

bool reported(const char* words) {
    const auto reports = take_reports();
    return reports.size() == 1 && reports[0].find(words) != std::string::npos;
}

// The largest error over what the sums may lose, one product by cuBLASLt against loops in double.
template <class In, class Out, class Bias = float> double error(const Shape& s, bool with_bias = false) {
    const Matrix a = s.transpose_a ? matrix(s.k, s.m, s) : matrix(s.m, s.k, s);
    const Matrix b = s.transpose_b ? matrix(s.n, s.k, s) : matrix(s.k, s.n, s), d = matrix(s.m, s.n, s);
    const auto va = random<In>(a.stride() * s.batch, 1), vb = random<In>(b.stride() * s.batch, 2);
    const auto vd = random<Out>(d.stride() * s.batch, 3);
    const auto vbias = random<Bias>(s.m, 4);
    const DeviceArray<In> da(va), db(vb);
    const DeviceArray<Out> dd(vd);
    const DeviceArray<Bias> dbias(vbias);
    const Layout la(type_of<In>, a, s.batch), lb(type_of<In>, b, s.batch), ld(type_of<Out>, d, s.batch);
    Description x(s);
    if (with_bias) {
        const Bias* bias = dbias;
        x.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        x.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
        x.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of<Bias>);
    }
    cublasLtHandle_t handle;
    cublasLtCreate(&handle);
    const Stream stream;
    CHECK(cublasLtMatmul(handle, x, &s.alpha, da, la, db, lb, &s.beta, dd, ld, dd, ld, nullptr, nullptr, 0, stream) ==
          CUBLAS_STATUS_SUCCESS);
    cublasLtDestroy(handle);
    const auto got = dd.get();
    double worst = 0;
    for (int i = 0; i < s.batch; ++i)
        for (int r = 0; r < s.m; ++r)
            for (int c = 0; c < s.n; ++c) {
                double v = 0;
                for (int k = 0; k < s.k; ++k)
                    v += double(widen(va[a.stride() * i + (s.transpose_a ? a.at(k, r) : a.at(r, k))])) *
                         widen(vb[b.stride() * i + (s.transpose_b ? b.at(c, k) : b.at(k, c))]);
                v = s.alpha * v + (with_bias ? widen(vbias[r]) : 0);
                if (s.beta != 0) v += s.beta * widen(vd[d.stride() * i + d.at(r, c)]);
                const double difference = std::fabs(v - widen(got[d.stride() * i + d.at(r, c)]));
                worst = difference >= 0 ? std::max(worst, difference) : INFINITY;
            }
    return worst;
}

// Sums of at most 100 products of at most 1: |sum| < 32 in these data, each of the roundings 2^-24 of it.
constexpr double float_tolerance = 100 * 32.0 / (1 << 24);
constexpr double bf16_tolerance = 64.0 / 512, half_tolerance = 64.0 / 4096;  // half a unit below 64

}  // namespace

TEST_CASE("cudasim: the float product sums in the order of k, at every size") {
    struct Sizes {
        int m, n, k;
    };
    for (const auto [m, n, k] : {Sizes{1, 1, 1}, {7, 33, 5}, {13, 64, 300}, {6, 32, 256}, {64, 100, 600}}) {
        std::vector<float> a(m * k), b(k * n), c(m * n);
        for (std::size_t i = 0; i < a.size(); ++i) a[i] = noise(unsigned(i));
        for (std::size_t i = 0; i < b.size(); ++i) b[i] = noise(unsigned(i) + 77);
        gemm(m, n, k, a.data(), b.data(), c.data());
        int wrong = 0;
        for (int r = 0; r < m; ++r)
            for (int q = 0; q < n; ++q) {
                float total = 0;
                for (int first = 0; first < k; first += 256) {
                    float sum = 0;
                    for (int i = first; i < std::min(k, first + 256); ++i) sum += a[r * k + i] * b[i * n + q];
                    total += sum;
                }
                wrong += c[r * n + q] != total;
            }
        CHECK(wrong == 0);
    }
}

TEST_CASE("cudasim: cuBLASLt in every order and transposition, any width") {
    for (const bool column_order : {false, true})
        for (const bool ta : {false, true})
            for (const bool tb : {false, true}) {
                const Shape s{24, 41, 63, ta, tb, column_order, 1, 2.0f, 3.0f, 5};
                CHECK((error<__nv_bfloat16, float>(s)) < 2 * float_tolerance);
                CHECK((error<float, float>(s)) < 2 * float_tolerance);
            }
}

TEST_CASE("cudasim: cuBLASLt in every type, in batches") {
    const Shape s{16, 24, 64, false, true, false, 3, 1.0f, 0.5f};
    CHECK((error<__nv_bfloat16, __nv_bfloat16>(s)) < bf16_tolerance);
    CHECK((error<__half, __half>(s)) < half_tolerance);
    CHECK((error<__half, float>(s)) < float_tolerance);
    CHECK((error<float, float>(s)) < float_tolerance);
}

TEST_CASE("cudasim: cuBLASLt adds a bias to columns") {
    const Shape s{16, 24, 64, true, false, true, 2};
    CHECK((error<__nv_bfloat16, float, float>(s, true)) < float_tolerance);
    CHECK((error<__nv_bfloat16, __nv_bfloat16, __nv_bfloat16>(s, true)) < bf16_tolerance);
    CHECK((error<__nv_bfloat16, __nv_bfloat16, float>(s, true)) < bf16_tolerance);
}

TEST_CASE("cudasim: cuBLASLt refuses what it does not simulate") {
    const Shape s{8, 8, 8, false, false, false};
    Description x(s);
    const int one = 1;
    CHECK(cublasLtMatmulDescSetAttribute(x, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &one, 1) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("not simulated"));
    CHECK(cublasLtMatmulDescSetAttribute(x, CUBLASLT_MATMUL_DESC_TRANSA, &one, 1) == CUBLAS_STATUS_INVALID_VALUE);
    const Matrix square = matrix(8, 8, s), wide = matrix(8, 9, s);
    const Layout l(CUDA_R_32F, square, 1), other(CUDA_R_32F, wide, 1), half(CUDA_R_16F, square, 1);
    const Layout fp8(CUDA_R_8F_E4M3, square, 1), batch(CUDA_R_32F, square, 2);
    CHECK(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, &one, sizeof one) ==
          CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("not simulated"));
    const DeviceArray<float> data(512);
    const float alpha = 1, beta = 0;
    const Stream stream;
    const auto multiply = [&](const Description& d, const Layout& la, const Layout& lb, const Layout& ld) {
        return cublasLtMatmul(nullptr, d, &alpha, data, la, data, lb, &beta, data, ld, data, ld, nullptr, nullptr, 0,
                              stream);
    };
    CHECK(multiply(x, l, other, l) == CUBLAS_STATUS_INVALID_VALUE);
    CHECK(reported("sizes"));
    CHECK(multiply(x, l, half, l) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("one type"));
    CHECK(multiply(x, fp8, fp8, l) == CUBLAS_STATUS_INVALID_VALUE);
    CHECK(reported("type"));
    CHECK(multiply(x, l, l, half) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("float or of A's type"));
    CHECK(multiply(x, l, batch, l) == CUBLAS_STATUS_INVALID_VALUE);
    CHECK(reported("batch"));
    const Description tf32(s, CUBLAS_COMPUTE_32F_FAST_TF32);
    CHECK(multiply(tf32, l, l, l) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("CUBLAS_COMPUTE_32F"));
    x.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU);
    CHECK(multiply(x, l, l, l) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("epilogue"));
    x.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    CHECK(multiply(x, l, l, l) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("column order"));
}

TEST_CASE("cudasim: cuBLASLt's heuristic honours the preference, and its algorithm what it was chosen for") {
    const Shape s{8, 8, 8, false, false, false};
    const Description x(s);
    const Matrix square = matrix(8, 8, s);
    const Layout l(CUDA_R_32F, square, 1);
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulPreferenceCreate(&preference);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
        return cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
    };
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    const auto ask = [&] {
        return cublasLtMatmulAlgoGetHeuristic(nullptr, x, l, l, l, l, preference, 1, &result, &found);
    };
    CHECK(ask() == CUBLAS_STATUS_SUCCESS);
    CHECK(found == 1);
    CHECK(result.workspaceSize == 0);  // none was allowed
    CHECK(prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{1000}) == CUBLAS_STATUS_SUCCESS);
    CHECK(prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{0}) == CUBLAS_STATUS_SUCCESS);
    CHECK(ask() == CUBLAS_STATUS_SUCCESS);
    CHECK(result.workspaceSize == 1000);
    CHECK(prefer(CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, 1.0f) == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("not simulated"));

    const DeviceArray<float> data(1024);
    const Stream stream;
    const float alpha = 1, beta = 0;
    const auto multiply = [&](std::size_t workspace_bytes, int first) {
        return cublasLtMatmul(nullptr, x, &alpha, data + first, l, data, l, &beta, data + 512, l, data + 512, l,
                              &result.algo, data + 768, workspace_bytes, stream);
    };
    CHECK(multiply(999, 0) == CUBLAS_STATUS_INVALID_VALUE);
    CHECK(reported("workspace"));
    CHECK(multiply(1000, 4) == CUBLAS_STATUS_INVALID_VALUE);  // 16 bytes, the preference's default is 256
    CHECK(reported("aligned"));
    CHECK(prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, std::uint32_t{16}) == CUBLAS_STATUS_SUCCESS);
    CHECK(ask() == CUBLAS_STATUS_SUCCESS);
    CHECK(multiply(1000, 4) == CUBLAS_STATUS_SUCCESS);
    CHECK(prefer(CUBLASLT_MATMUL_PREF_SEARCH_MODE, std::uint32_t{CUBLASLT_SEARCH_LIMITED_BY_ALGO_ID}) ==
          CUBLAS_STATUS_SUCCESS);
    CHECK(ask() == CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(reported("search mode"));
    stream.synchronize();
    cublasLtMatmulPreferenceDestroy(preference);
}
