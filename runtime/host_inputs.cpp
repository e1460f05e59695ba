#include "runtime/host_inputs.h"

#include <fmt/core.h>

namespace tandem {

// Memory on the device is used again in the order of the compute stream, which therefore waits for a copy before its
// tensor goes. Host memory is touched by the offload stream alone.
std::size_t HostInputs::keep(Context& ctx, const Tensor& input) {
    if (!kept_.empty()) {
        ctx.compute().wait(kept_.back().copied);
        kept_.back().on_device = Tensor();
    }
    Tensor on_host = 
        ctx.empty(input.shape(), input.dtype(), "offload.input", Category::activation, Place::host);
    Stream& offload = ctx.offload();
    offload.wait(ctx.compute().record());
    offload.copy(on_host.data(), input.data(), input.bytes());
    kept_.push_back({std::move(on_host), input, offload.record()});
    return kept_.size() - 1;
}

Tensor HostInputs::take(Context& ctx, std::size_t number) {
    if (number + 1 != kept_.size())
        throw Error(fmt::format("[offload] input {} of a block is taken, where {} are kept; the newest goes first",
                                number, kept_.size()));
    const Kept newest = std::move(kept_.back());
    kept_.pop_back();
    ctx.compute().wait(newest.copied);
    if (!kept_.empty()) fetch(ctx, kept_.back());
    return newest.on_device;
}

void HostInputs::fetch(Context& ctx, Kept& kept) {
    kept.on_device = ctx.empty_like(kept.on_host, "offload.fetched");
    Stream& offload = ctx.offload();
    offload.wait(ctx.compute().record());
    offload.copy(kept.on_device.data(), kept.on_host.data(), kept.on_host.bytes());
    kept.copied = offload.record();
    kept.on_host = Tensor();
}

}  // namespace tandem
