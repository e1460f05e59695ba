#include "ops/attention/attention.h"

#include <fmt/core.h>

#include "ops/attention/attention_kernels.h"
#include "runtime/check.h"

namespace tandem {

namespace {

void check(const char* op, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& s) {
    expect(op, "kv_heads >= 1 that divides heads", s.kv_heads >= 1 && s.heads >= 1 && s.heads % s.kv_heads == 0);
    expect(op, "head_dim from 1 to 256", s.head_dim >= 1 && s.head_dim <= 256);
    expect(op, "q", q.shape(), Shape{q.dim(0), s.heads * s.head_dim});
    expect(op, "k", k.shape(), Shape{q.dim(0), s.kv_heads * s.head_dim});
    expect(op, "v", v.shape(), k.shape());
    expect(op, "q, k and v of one dtype", q.dtype() == k.dtype() && q.dtype() == v.dtype());
}

// Two products for every query and key that see each other.
Cost cost_of(double pairs, const AttentionShape& s, const Tensor& q, double kv_bytes) {
    return {4 * pairs * s.heads * s.head_dim, 2 * double(q.bytes()) + kv_bytes};
}

}  // namespace

Value attention(Context& ctx, const Value& q, const Value& k, const Value& v, const Tensor& cu_seqlens,
                const AttentionShape& shape) {
    check("attention", q, k, v, shape);
    expect("attention", "cu_seqlens of i32 [documents + 1]",
           cu_seqlens.dtype() == DType::i32 && cu_seqlens.shape().rank() == 1 && cu_seqlens.dim(0) >= 1);
    const std::int64_t tokens = q.dim(0);
    // The documents' lengths are not known here; one document of all tokens is the most there can be.
    const Cost cost = cost_of(double(tokens) * double(tokens + 1) / 2, shape, q, 2 * double(k.bytes()));
    const Output sums{{shape.heads, tokens}, accumulator_type(q.dtype()), "attention.lse"};
    auto [out, lse] = ctx.run({"attention", cost, {q, k, v, cu_seqlens}}, {like(q, "attention.y"), sums},
                              [&](auto device, const Tensor& y, const Tensor& lse) {
                                  attention_forward(device, {q, k, v, cu_seqlens, shape, y, lse});
                              });
    Value y(out);
    ctx.backward(y, {q, k, v}, [q, k, v, cu_seqlens, shape, cost, y = out, lse = lse](Context& ctx, Tensor dy) {
        GradOut dq = ctx.grad(q);
        GradOut dk = ctx.grad(k);
        GradOut dv = ctx.grad(v);
        const Cost twice{2.5 * cost.flops, 2 * cost.bytes};
        ctx.run({"attention.backward", twice, {q, k, v, cu_seqlens, y, lse, dy}, {dq, dk, dv}},
                like(lse, "attention.delta"), [&](auto device, const Tensor& delta) {
                    attention_backward(device, {q, k, v, cu_seqlens, shape, y, lse, dy, delta, dq, dk, dv});
                });
    });
    return y;
}

Tensor attention_cached(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const KvCache& cache,
                        const AttentionShape& shape) {
    check("attention_cached", q, k, v, shape);
    expect("attention_cached", "a cache of k's columns", cache.k.shape(), Shape{cache.k.dim(0), k.dim(1)});
    expect("attention_cached", "a cache of v", cache.v.shape(), cache.k.shape());
    expect("attention_cached", "a cache of q's dtype", cache.k.dtype() == q.dtype() && cache.v.dtype() == q.dtype());
    const std::int64_t fresh = q.dim(0), after = cache.past + fresh;
    if (cache.past < 0 || after > cache.k.dim(0))
        throw Error(
            fmt::format("[attention_cached] {} tokens after {} do not fit into a cache of {}; allocate it for the "
                        "longest text",
                        fresh, cache.past, cache.k.dim(0)));
    const double pairs = double(fresh) * cache.past + double(fresh) * double(fresh + 1) / 2;
    const double row_bytes = double(k.dim(1)) * double(size_of(k.dtype()));
    const Cost cost = cost_of(pairs, shape, q, 2 * double(after) * row_bytes);
    return ctx.run({"attention_cached", cost, {q, k, v}, {cache.k, cache.v}}, like(q, "attention.y"),
                   [&](auto device, const Tensor& y) {
                       attention_cached_forward(device, {q, k, v, cache, shape, y});
                   });
}

}  // namespace tandem
