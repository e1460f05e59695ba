#include "runtime/context.h"

#include <fmt/core.h>

#include <cstring>

#include "runtime/abort.h"
#include "runtime/cuda/staging.h"
#include "runtime/cuda/tile_ahead.h"
#include "runtime/plan/recompute_plan.h"

namespace tandem {

namespace {

void copy_in(const CpuDevice&, std::byte* to, std::span<const std::byte> from) {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
}
void copy_out(const CpuDevice&, std::span<std::byte> to, const Tensor& from) {
    if (!to.empty()) std::memcpy(to.data(), from.data(), to.size());
}
[[maybe_unused]] void copy_in(const CudaDevice& device, std::byte* to, std::span<const std::byte> from) {
    if constexpr (build::has_cuda) device.staging->upload(to, from);
}
[[maybe_unused]] void copy_out(const CudaDevice& device, std::span<std::byte> to, const Tensor& from) {
    if constexpr (build::has_cuda) device.staging->download(to, from.data());
}

}  // namespace

void Tape::run(Context& ctx) {
    TapeScope quiet(ctx, nullptr);
    while (!entries_.empty()) {
        Entry entry = std::move(entries_.back());
        entries_.pop_back();
        Tensor dy = std::exchange(entry.slot->gradient, Tensor());
        if (dy) entry.backward(ctx, std::move(dy));
    }
}

void Context::backward(Value& y, std::initializer_list<Wants> inputs, Backward backward) {
    bool wanted = false;
    for (const Wants& w : inputs) wanted = wanted || w.gradient;
    if (!recording() || !wanted) return;
    auto slot = std::make_shared<GradSlot>(GradSlot{y.shape(), y.dtype(), {}});
    y.set_slot(slot);
    tape_->push(std::move(slot), std::move(backward));
}

GradOut Context::grad(const GradSlotPtr& slot) {
    if (!slot) return {};
    Tensor before = std::move(slot->gradient);
    slot->gradient = Tensor();
    bool shared = !before || before.block().use_count() > 1;  // read by another's backward: leave it as it is
    Tensor out = shared ? empty(slot->shape, slot->dtype, "gradient") : before;
    slot->gradient = out;
    return {out, before};
}

GradOut Context::pass(const GradSlotPtr& slot, const Tensor& dy) {
    if (!slot) return {};
    if (slot->gradient) return grad(slot);
    slot->gradient = dy;
    return {};
}

GradOut Context::grad(const Param& param) {
    if (!param.trainable) return {};
    if (param.unit != gradient_unit_)
        throw Error(fmt::format("[context] rank {} has no gradient buffers of unit {} now", rank(), param.unit));
    DType type = gradient_type();
    Tensor t(gradient_bytes_.data() ? gradient_bytes_.data() + std::size_t(param.offset) * size_of(type) : nullptr,
             param.shape, type);
    return {t, t};
}

Tensor Context::bytes(const Param& param) const {
    for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
        if (held->unit != param.unit) continue;
        const std::byte* blob = param.trainable ? held->trainable.data() : held->frozen.data();
        std::size_t at = std::size_t(param.offset) * (param.trainable ? size_of(param.dtype) : 1);
        return {blob ? blob + at : nullptr, param.shape, param.dtype};
    }
    throw Error(fmt::format("[context] rank {} holds no lease of unit {} now", rank(), param.unit));
}

void Context::upload(const Tensor& to, std::span<const std::byte> from) {
    if (from.size() != to.bytes())
        throw Error(
            fmt::format("[context] {} bytes cannot fill {} {}", from.size(), name_of(to.dtype()), to.shape().text()));
    run({"upload", cost::elementwise(to), {}, {to}}, [&](auto device) { copy_in(device, to.data(), from); });
}

void Context::download(std::span<std::byte> to, const Tensor& from) {
    if (to.size() != from.bytes())
        throw Error(fmt::format("[context] {} {} does not fill {} bytes", name_of(from.dtype()), from.shape().text(),
                                to.size()));
    if (is_plan()) std::memset(to.data(), 0, to.size());
    run({"download", cost::elementwise(from), {from}, {}}, [&](auto device) { copy_out(device, to, from); });
}

void Context::load(std::byte* to, std::span<const std::byte> from) {
    if (is_plan()) return;
    if (device() == DeviceKind::cuda) copy_in(parts_.cuda, to, from);
    else copy_in(parts_.cpu, to, from);
}

void Context::refuse_card(const Op& op) {
    throw Error(fmt::format("[{}] has no kernel for cards, and this rank is on one; give it one or use CPU ranks",
                            op.name));
}

bool Context::enter(const Op& op) {
    bool again = recomputing_ >= 0;
    if (is_plan()) {
        if (again && parts_.recompute_plan) {
            RecomputePlan::OpRecord record{in_forward_, {}, {}};
            for (const Tensor& t : op.reads) record.reads.push_back(t.block().get());
            for (const Tensor& t : op.writes) record.writes.push_back(t.block().get());
            parts_.recompute_plan->note(std::move(record));
        }
        return false;
    }
    if (parts_.abort) parts_.abort->check();
    return !again || !in_forward_ || !parts_.recompute_plan || parts_.recompute_plan->needed(recomputing_, op_++);
}

LeaseScope::LeaseScope(Context& ctx, LayerStore& store, int unit)
    : ctx_(ctx), lease_(store.acquire(unit, ctx.compute())) {
    ctx_.held_.push_back({unit, lease_.frozen(), lease_.trainable()});
    if constexpr (build::has_cuda)
        if (TileAhead* tiles = ctx.parts_.cuda.tiles) tiles->begin(ctx.recomputing_ >= 0);
}

LeaseScope::~LeaseScope() {
    if constexpr (build::has_cuda)
        if (TileAhead* tiles = ctx_.parts_.cuda.tiles) tiles->end();
    ctx_.held_.pop_back();
}

GradScope::GradScope(Context& ctx, LayerStore& store, int unit)
    : ctx_(ctx), lease_(store.gradients(unit, ctx.compute())) {
    ctx_.gradient_unit_ = unit;
    ctx_.gradient_bytes_ = lease_.bytes();
}

void GradScope::reduce() && {
    ctx_.gradient_unit_ = -1;
    std::move(lease_).reduce();
}

GradScope::~GradScope() { ctx_.gradient_unit_ = -1; }

}  // namespace tandem
