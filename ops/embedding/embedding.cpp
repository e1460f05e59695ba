#include "ops/embedding/embedding.h"

#include "ops/embedding/embedding_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value embedding(Context& ctx, const Tensor& tokens, const Param& weight) {
    expect("embedding", "tokens of one dimension and a weight of two",
           tokens.shape().rank() == 1 && weight.shape.rank() == 2);
    const Output rows{{tokens.dim(0), weight.shape[1]}, weight.dtype, "embedding.y"};
    Value y(ctx.run({"embedding", cost::elementwise(rows, rows), {tokens, weight}}, rows,
                    [&](auto device, const Tensor& y) { embedding_forward(device, {tokens, ctx.bytes(weight), y}); }));
    ctx.backward(y, {weight}, [tokens, weight](Context& ctx, Tensor dy) {
        GradOut dweight = ctx.grad(weight);
        ctx.run({"embedding.backward", cost::elementwise(dy, dy, dy), {tokens, dy}, {dweight}}, [&](auto device) {
            embedding_backward(device, {tokens, dy, dweight});
        });
    });
    return y;
}

}  // namespace tandem
