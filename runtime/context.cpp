#include "runtime/context.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "runtime/abort.h"
#include "runtime/cuda/staging.h"

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
        if (dy) ctx.recorder().run_backward(ctx, entry.backward, std::move(dy));
    }
}

void Context::backward(Value& y, std::initializer_list<Wants> inputs, Backward backward) {
    bool wanted = false;
    for (const Wants& w : inputs) wanted = wanted || w.gradient;
    if (recording() && wanted) recorder_.backward(y, std::move(backward));
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
    recorder_.ask(param);
    Tensor t = leases_.gradient(param, gradient_type());
    return {t, t, param};
}

Tensor Context::bytes(const Param& param) const {
    if (running_) {
        auto is_it = [&](const Read& r) { return r.param() && r.param()->is_same(param); };
        if (std::none_of(running_->reads.begin(), running_->reads.end(), is_it))
            throw Error(fmt::format("[{}] reads a parameter of unit {} that it does not name", running_->name,
                                    param.unit));
    }
    return leases_.bytes(param);
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
    run({"download", cost::elementwise(from), {from}}, [&](auto device) { copy_out(device, to, from); });
}

void Context::load(std::byte* to, std::span<const std::byte> from) {
    if (is_plan()) return;
    if (device().kind == DeviceKind::cuda) copy_in(device().cuda, to, from);
    else copy_in(device().cpu, to, from);
}

void Context::refuse_card(const Op& op) {
    throw Error(fmt::format("[{}] has no kernel for cards, and this rank is on one; give it one or use CPU ranks",
                            op.name));
}

bool Context::begin(const Op& op) {
    cost_ += op.cost;
    recorder_.named(op);
    if (is_plan()) return false;
    if (parts_.abort) parts_.abort->check();
    return !recorder_.skips_next();
}

}  // namespace tandem
