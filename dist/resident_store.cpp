#include "dist/resident_store.h"

#include <fmt/core.h>

namespace tandem {

ResidentStore::ResidentStore(Context& ctx, Transport& transport, Collective& collective,
                             const std::vector<UnitLayout>& units, const StoreOptions& options)
    : StoreBase(ctx, transport, collective, units, options) {
    std::size_t frozen = 0, trainable = 0;
    for (int u = 0; u < int(units.size()); u++) {
        places_.push_back({frozen, trainable, {}, 0, {}});
        frozen += align_up(layout(u).frozen_bytes);
        trainable += trainables_.gathered_bytes(u);
    }
    frozen_ = ctx.empty({std::int64_t(frozen)}, DType::u8, "shard.frozen", Category::shard);
    if (ctx.world_size() > 1)
        gathered_ = ctx.empty({std::int64_t(trainable)}, DType::u8, "trainable.gathered", Category::gather);
    for (int u = 0; u < int(places_.size()); u++) {
        ctx.memory().note_part(advance(frozen_.data(), unit(u).frozen_at), layout(u).frozen_bytes);
        ctx.memory().note_part(advance(gathered_.data(), unit(u).trainable_at), trainables_.gathered_bytes(u));
    }
}

class ResidentStore::Held final : public Lease::Impl {
  public:
    Held(ResidentStore& store, Unit& unit, Stream& user) : store_(store), unit_(unit), user_(user) { unit_.holders++; }
    ~Held() override {
        store_.postpone_failure([&] { unit_.ends[&user_] = user_.record(); });
        unit_.holders--;
    }

  private:
    ResidentStore& store_;
    Unit& unit_;
    Stream& user_;
};

Lease ResidentStore::acquire(int u, Stream& user) {
    schedule_.take(checked(u));
    auto held = std::make_unique<Held>(*this, unit(u), user);
    user.wait(unit(u).ready);
    const std::byte* trainable =
        gathered_ ? advance(gathered_.data(), unit(u).trainable_at) : trainables_.own(u).data();
    return {std::move(held),
            {advance(frozen_.data(), unit(u).frozen_at), layout(u).frozen_bytes},
            {trainable, trainable_bytes(u)}};
}

void ResidentStore::wait_for_ends(int u, Stream& user) {
    for (const auto& [stream, end] : unit(u).ends) user.wait(end);
}

// A single rank's leases may hand out the masters themselves.
TrainableRange ResidentStore::trainable(int u, Stream& user) {
    wait_for_ends(checked(u), user);
    return StoreBase::trainable(u, user);
}

// The casts and the gathers write what leases have read.
void ResidentStore::updated(Stream& user) {
    for (int u = 0; u < int(places_.size()); u++) {
        if (unit(u).holders > 0)
            throw Error(fmt::format("[store] masters were updated under a lease of unit {}; let go of it first", u));
        wait_for_ends(u, user);
    }
    trainables_.updated(user);
    if (!gathered_) return;
    for (int u = 0; u < int(places_.size()); u++) {
        if (layout(u).trainable_elements == 0) continue;
        trainables_.gather(u, advance(gathered_.data(), unit(u).trainable_at));
        unit(u).ready = ctx_.gather().record();
    }
}

void ResidentStore::write_frozen(int u, std::size_t offset, std::span<const std::byte> data) {
    ctx_.load(advance(frozen_.data(), unit(u).frozen_at + offset), data);
}

}  // namespace tandem
