#include "tools/check_op/run_op.h"

#include "tools/check_op/local_store.h"
#include "tools/check_op/values.h"

namespace tandem {

OpResult run_op(LocalRank& rank, const OpCase& c, const Arrays& arrays, const std::vector<double>& dy) {
    Context& ctx = rank.context();
    const DType dtype = ctx.compute_type();
    LocalStore store(ctx);
    std::size_t at = 0;
    std::vector<Value> x;
    std::vector<Param> p;
    for (const Shape& s : c.inputs)
        x.emplace_back(tensor_of(ctx, s, dtype, arrays.at(at++)), std::make_shared<GradSlot>(GradSlot{s, dtype, {}}));
    for (const Shape& s : c.trainable) p.push_back(store.add_trainable(s, arrays.at(at++)));
    for (const Shape& s : c.frozen) p.push_back(store.add_frozen(s, arrays.at(at++)));
    LeaseScope lease(ctx, store, 0);
    GradScope grads(ctx, store, 0);
    Tape tape;
    OpResult r;
    {
        TapeScope record(ctx, &tape);
        Value y = c.op(ctx, x, p);
        r.y = values_of(ctx, y);
        if (dy.empty()) return r;
        if (!y.slot())
            throw Error("[check_op] expected an output that wants a gradient, got one without; call ctx.backward");
        y.slot()->gradient = tensor_of(ctx, y.shape(), y.dtype(), dy);
    }
    tape.run(ctx);
    for (const Value& v : x)
        r.dx.push_back(v.slot()->gradient ? values_of(ctx, v.slot()->gradient) : std::vector<double>());
    for (std::size_t i = 0; i < c.trainable.size(); i++) r.dx.push_back(values_of(ctx, ctx.grad(p[i]).out));
    return r;
}

OpResult run_op(const OpCase& c, DType dtype, const Arrays& arrays, const std::vector<double>& dy, int threads,
                DeviceKind kind) {
    LocalOptions options{.compute = dtype, .threads = threads};
    if (kind == DeviceKind::cuda) options.card = 0;
    LocalRank rank(options);
    return run_op(rank, c, arrays, dy);
}

}  // namespace tandem
