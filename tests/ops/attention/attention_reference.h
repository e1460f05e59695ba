// Attention written down plainly, in any type, with its gradients: what the tiles are compared to.
#pragma once
#include <fmt/core.h>

#include "ops/attention/attention.h"
#include "tests/support/check_op.h"

namespace tandem::test {

inline OpCase attention_case(const std::vector<std::int32_t>& begins, const AttentionShape& s) {
    const std::int64_t tokens = begins.back();
    return {.inputs = {{tokens, s.heads * s.head_dim},
                       {tokens, s.kv_heads * s.head_dim},
                       {tokens, s.kv_heads * s.head_dim}},
            .op = [=](Context& ctx, const auto& x, const auto&) {
                return attention(ctx, x[0], x[1], x[2], indices_of(ctx, begins), s);
            }};
}

// Where, and in which type: the cards have no f64.
struct Variant {
    DeviceKind kind;
    DType dtype;
};
inline std::vector<Variant> variants() {
    std::vector<Variant> all{{DeviceKind::cpu, DType::f64}};
    for (DeviceKind kind : device_kinds())
        for (DType t : {DType::f32, DType::bf16}) all.push_back({kind, t});
    return all;
}
inline std::string name_of(const Variant& v) {
    return fmt::format("{} on {}", name_of(v.dtype), v.kind == DeviceKind::cpu ? "the CPU" : "a card");
}

// Numbers of about normal distribution, exact in bf16.
inline std::vector<double> random_values(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::vector<double> v(count);
    for (double& e : v) e = round_to(DType::bf16, normal(random));
    return v;
}

inline Arrays random_inputs(const OpCase& c, unsigned seed = 1) {
    Arrays arrays;
    for (const Shape& s : c.inputs) arrays.push_back(random_values(std::size_t(s.elements()), seed++));
    return arrays;
}

// One head's rows of one document, whole score rows at once. A product's sums are in A; what a straightforward
// implementation in T stores between its products (scores, probabilities, their gradients, results) is rounded to T.
template <class T> class HeadReference {
    using A = accumulate_t<T>;

  public:
    std::int64_t begin, end, dim;
    std::int64_t q_stride, k_stride;
    const double *q, *k, *v, *dy;  // at the head's column of row 0
    double *y, *dq, *dk, *dv;      // the same; gradients are added to

    void run() {
        for (std::int64_t t = begin; t < end; t++) row(t);
    }

  private:
    static double rounded(A v) { return double(T(v)); }
    A dot(const double* a, const double* b) const {
        A sum = 0;
        for (std::int64_t d = 0; d < dim; d++) sum += A(a[d]) * A(b[d]);
        return sum;
    }

    void row(std::int64_t t) {
        const A scale = A(1) / std::sqrt(A(dim));
        std::vector<A> p(std::size_t(t + 1 - begin));
        A max = -INFINITY, sum = 0, delta = 0;
        for (std::int64_t j = begin; j <= t; j++) {
            A s = A(rounded(dot(q + t * q_stride, k + j * k_stride) * scale));
            p[std::size_t(j - begin)] = s;
            max = std::max(max, s);
        }
        for (A& e : p) sum += (e = std::exp(e - max));
        for (A& e : p) e = A(rounded(e / sum));
        std::vector<A> dp(p.size());
        for (std::size_t j = 0; j < p.size(); j++) {
            dp[j] = A(rounded(dot(dy + t * q_stride, v + (begin + std::int64_t(j)) * k_stride)));
            delta += dp[j] * p[j];
        }
        for (std::int64_t d = 0; d < dim; d++) {
            A y_sum = 0, dq_sum = 0;
            for (std::size_t i = 0; i < p.size(); i++) {
                const std::int64_t j = (begin + std::int64_t(i)) * k_stride + d;
                const A ds = A(rounded(p[i] * (dp[i] - delta)));
                y_sum += p[i] * A(v[j]);
                dq_sum += ds * A(k[j]);
                dv[j] = double(A(dv[j]) + p[i] * A(dy[t * q_stride + d]));
                dk[j] = double(A(dk[j]) + scale * (ds * A(q[t * q_stride + d])));
            }
            y[t * q_stride + d] = rounded(y_sum);
            dq[t * q_stride + d] = rounded(dq_sum * scale);
        }
    }
};

template <class T> OpResult reference(const std::vector<std::int32_t>& begins, const AttentionShape& s, const Arrays& x,
                                      const std::vector<double>& dy) {
    OpResult r{std::vector<double>(x[0].size()), {}};
    for (const auto& a : x) r.dx.emplace_back(a.size());
    for (std::size_t d = 0; d + 1 < begins.size(); d++)
        for (int h = 0; h < s.heads; h++) {
            const int column = h * s.head_dim, kv_column = h / (s.heads / s.kv_heads) * s.head_dim;
            HeadReference<T>{begins[d],
                             begins[d + 1],
                             s.head_dim,
                             s.heads * s.head_dim,
                             s.kv_heads * s.head_dim,
                             x[0].data() + column,
                             x[1].data() + kv_column,
                             x[2].data() + kv_column,
                             dy.data() + column,
                             r.y.data() + column,
                             r.dx[0].data() + column,
                             r.dx[1].data() + kv_column,
                             r.dx[2].data() + kv_column}
                .run();
        }
    for (int i : {1, 2})
        for (double& e : r.dx[std::size_t(i)]) e = round_to(dtype_of<T>, e);
    return r;
}

}  // namespace tandem::test
