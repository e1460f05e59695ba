#include "dist/frozen/frozen_source.h"

#include <cstring>

#include "dist/ranges.h"

namespace tandem {

namespace {

// What sources have in common: the ranks' ranges of each unit.
class Ranged : public FrozenSource {
  public:
    Ranged(Context& ctx, const std::vector<UnitLayout>& units)
        : ctx_(ctx), ranges_(ranges_of(units, ctx.world_size())) {}
    std::size_t buffer_bytes(int unit) const override { return of(unit).frozen * std::size_t(ctx_.world_size()); }

  protected:
    const UnitRanges& of(int unit) const { return ranges_[std::size_t(unit)]; }
    std::size_t begin(int unit) const { return std::size_t(ctx_.rank()) * of(unit).frozen; }  // of this rank's range
    // This rank's part of what a tensor's loader brings.
    Overlap mine(int unit, std::size_t offset, std::span<const std::byte> data) const {
        return overlap(begin(unit), of(unit).frozen, data, offset);
    }

    void load_to(HostWeights* host, int unit, std::size_t offset, std::span<const std::byte> data) const {
        const Overlap part = mine(unit, offset, data);
        if (host && !part.data.empty())
            std::memcpy(host->unit(unit) + begin(unit) + part.at, part.data.data(), part.data.size());
    }

    Context& ctx_;
    const std::vector<UnitRanges> ranges_;
};

class OnDevices : public Ranged {
  public:
    OnDevices(Context& ctx, Transport& transport, const std::vector<UnitLayout>& units)
        : Ranged(ctx, units), transport_(transport) {
        const std::size_t bytes = ranges_.back().frozen_at + ranges_.back().frozen;
        shard_ = ctx.empty({std::int64_t(bytes)}, DType::u8, "shard.frozen", Category::shard);
        transport.publish({shard_.data(), bytes});
    }
    void fetch(int unit, std::byte* to) override {
        transport_.gather_published(ctx_.gather(), of(unit).frozen_at, of(unit).frozen, to);
    }
    void load(int unit, std::size_t offset, std::span<const std::byte> data) override {
        const Overlap part = mine(unit, offset, data);
        ctx_.load(advance(shard_.data(), of(unit).frozen_at + part.at), part.data);
    }

  protected:
    Transport& transport_;
    Tensor shard_;
};

class Mirrored final : public OnDevices {
  public:
    Mirrored(Context& ctx, Transport& transport, const std::vector<UnitLayout>& units, HostWeights* host)
        : OnDevices(ctx, transport, units), host_(host) {}
    // What lies before this rank's own range, the range, and what lies behind it.
    void fetch(int unit, std::byte* to) override {
        if (!host_) return;
        const std::byte* all = host_->unit(unit);
        const std::size_t from = begin(unit), end = from + of(unit).frozen;
        ctx_.gather().copy(to, all, from);
        ctx_.gather().copy(to + from, shard_.data() + of(unit).frozen_at, of(unit).frozen);
        ctx_.gather().copy(to + end, all + end, buffer_bytes(unit) - end);
    }
    void load(int unit, std::size_t offset, std::span<const std::byte> data) override {
        OnDevices::load(unit, offset, data);
        load_to(host_, unit, offset, data);
    }

  private:
    HostWeights* host_;
};

class OnHost final : public Ranged {
  public:
    OnHost(Context& ctx, const std::vector<UnitLayout>& units, HostWeights* host) : Ranged(ctx, units), host_(host) {}
    std::size_t buffer_bytes(int unit) const override { return ctx_.on_cuda() ? Ranged::buffer_bytes(unit) : 0; }
    const std::byte* in_place(int unit) const override { return host_ ? host_->unit(unit) : nullptr; }
    void fetch(int unit, std::byte* to) override {
        if (host_) ctx_.gather().copy(to, host_->unit(unit), buffer_bytes(unit));
    }
    void load(int unit, std::size_t offset, std::span<const std::byte> data) override {
        load_to(host_, unit, offset, data);
    }

  private:
    HostWeights* host_;
};

}  // namespace

std::unique_ptr<FrozenSource> make_frozen_source(Context& ctx, Transport& transport,
                                                 const std::vector<UnitLayout>& units, FrozenFrom from,
                                                 HostWeights* host) {
    if (from != FrozenFrom::device && !host && !ctx.is_plan())
        throw Error("[store] weights on the host or mirrored there need a HostWeights; make one for all ranks");
    switch (from) {
        case FrozenFrom::device: return std::make_unique<OnDevices>(ctx, transport, units);
        case FrozenFrom::mirror: return std::make_unique<Mirrored>(ctx, transport, units, host);
        case FrozenFrom::host: return std::make_unique<OnHost>(ctx, units, host);
    }
    throw Error("[store] no such place of frozen weights");
}

}  // namespace tandem
