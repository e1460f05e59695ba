#include "runtime/leases.h"

#include <fmt/core.h>

#include "runtime/context.h"
#include "runtime/cuda/tile_ahead.h"

namespace tandem {

Tensor Leases::bytes(const Param& param) const {
    for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
        if (held->unit != param.unit) continue;
        const std::byte* blob = param.trainable ? held->trainable.data() : held->frozen.data();
        std::size_t at = std::size_t(param.offset) * (param.trainable ? size_of(param.dtype) : 1);
        return {blob ? blob + at : nullptr, param.shape, param.dtype};
    }
    throw Error(fmt::format("[context] rank {} holds no lease of unit {} now", rank_, param.unit));
}

Tensor Leases::gradient(const Param& param, DType type) const {
    if (param.unit != gradient_unit_)
        throw Error(fmt::format("[context] rank {} has no gradient buffers of unit {} now", rank_, param.unit));
    std::byte* all = gradient_bytes_.data();
    return {all ? all + std::size_t(param.offset) * size_of(type) : nullptr, param.shape, type};
}

LeaseScope::LeaseScope(Context& ctx, LayerStore& store, int unit)
    : ctx_(ctx), lease_(store.acquire(unit, ctx.compute())) {
    ctx.leases().held_.push_back({unit, lease_.frozen(), lease_.trainable()});
    if constexpr (build::has_cuda)
        if (TileAhead* tiles = ctx.device().cuda.tiles) tiles->begin(ctx.recorder().recomputing());
}

LeaseScope::~LeaseScope() {
    if constexpr (build::has_cuda)
        if (TileAhead* tiles = ctx_.device().cuda.tiles) tiles->end();
    ctx_.leases().held_.pop_back();
}

GradScope::GradScope(Context& ctx, LayerStore& store, int unit)
    : ctx_(ctx), lease_(store.gradients(unit, ctx.compute())) {
    ctx.leases().gradient_unit_ = unit;
    ctx.leases().gradient_bytes_ = lease_.bytes();
}

void GradScope::reduce() && {
    ctx_.leases().gradient_unit_ = -1;
    std::move(lease_).reduce();
}

GradScope::~GradScope() { ctx_.leases().gradient_unit_ = -1; }

}  // namespace tandem
