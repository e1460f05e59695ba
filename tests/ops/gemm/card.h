// Kernels of a card called by themselves, in tests that do nothing where there is no card.
#pragma once
#include <type_traits>

#include "quant/quantize.h"
#include "runtime/thread_pool.h"
#include "tests/support/check_op.h"

namespace tandem::test {

// Calls f(device) as an op would be.
template <class F> void on_card(Context& ctx, F&& f) {
    ctx.run({"test", {}, {}, {}}, [&](const auto& device) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(device)>, CudaDevice>) f(device);
    });
}

inline std::vector<double> bf16_numbers(std::int64_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::vector<double> v(static_cast<std::size_t>(n));
    for (double& e : v) e = round_to(DType::bf16, normal(random));
    return v;
}

// A matrix in double, and its place in a product.
struct Factor {
    const std::vector<double>& v;
    std::int64_t stride;
    bool transposed = false;
    double at(std::int64_t i, std::int64_t j) const {
        return v[std::size_t(transposed ? j * stride + i : i * stride + j)];
    }
};

// |got - exact| is within one rounding to `type` and k f32 roundings of the terms; `exact` gets base + alpha a b.
inline void check_product(DType type, std::int64_t m, std::int64_t n, std::int64_t k, const Factor& a, const Factor& b,
                          double alpha, const std::vector<double>& base, const std::vector<double>& got) {
    REQUIRE(std::int64_t(got.size()) == m * n);
    const double unit = type == DType::bf16 ? 0x1p-8 : 0x1p-23;  // twice half a unit in the last place
    int wrong = 0;
    for (std::int64_t i = 0; i < m; i++)
        for (std::int64_t j = 0; j < n; j++) {
            double sum = 0, size = 0;
            for (std::int64_t p = 0; p < k; p++) {
                sum += a.at(i, p) * b.at(p, j);
                size += std::abs(a.at(i, p) * b.at(p, j));
            }
            const double before = base.empty() ? 0 : base[std::size_t(i * n + j)], exact = before + alpha * sum;
            const double bound =
                unit * std::abs(exact) + double(k + 2) * 0x1p-24 * (std::abs(alpha) * size + std::abs(before));
            wrong += !(std::abs(got[std::size_t(i * n + j)] - exact) <= bound);
        }
    CHECK(wrong == 0);
}

struct QuantizedWeight {
    std::vector<std::byte> bytes;
    QuantizedWeight(const QuantSpec& spec, std::int64_t elements) : bytes(quant_bytes(spec, 1, elements)) {
        std::vector<float> w(static_cast<std::size_t>(elements));
        std::mt19937 random(5);
        std::normal_distribution<float> normal;
        for (float& e : w) e = normal(random);
        ThreadPool pool(1);
        REQUIRE(quantize(spec, host_weight(w.data(), 1, elements), bytes.data(), pool));
    }
    explicit QuantizedWeight(std::vector<std::byte> parts) : bytes(std::move(parts)) {}
    // As a product in `type` sees it.
    std::vector<double> values(const QuantSpec& spec, std::int64_t elements, DType type) const {
        const QuantTensor view{spec, 1, elements, bytes.data()};
        return visit_compute(type, [&]<class T>() {
            std::vector<T> v(static_cast<std::size_t>(elements));
            dequantize(view, 0, elements, v.data());
            return std::vector<double>(v.begin(), v.end());
        });
    }
    Tensor upload(Context& ctx) const {
        Tensor t = ctx.empty({std::int64_t(bytes.size())}, DType::u8, "weight");
        ctx.upload(t, bytes);
        return t;
    }
};

}  // namespace tandem::test
