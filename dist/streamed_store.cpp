#include "dist/streamed_store.h"

#include <fmt/core.h>

#include <cstring>

namespace tandem {

namespace {

Residency::Options residency_options(const StoreOptions& options, std::size_t capacity = 0) {
    return {capacity, options.prefetch, options.strategy == Strategy::shard_grad_op};
}

}  // namespace

StreamedStore::StreamedStore(Context& ctx, Transport& transport, Collective& collective,
                             const std::vector<UnitLayout>& units, const StoreOptions& options)
    : StoreBase(ctx, transport, collective, units, options),
      ranges_(ranges_of(units, ctx.world_size())),
      mirror_(options.mirror),
      poison_(options.poison),
      capacity_(arena_size(options)),
      residency_(unit_bytes(), residency_options(options, capacity_)),
      ready_(units.size()) {
    const std::size_t bytes = ranges_.back().frozen_at + ranges_.back().frozen;
    shard_ = ctx.empty({std::int64_t(bytes)}, DType::u8, "shard.frozen", Category::shard);
    arena_ = ctx.empty({std::int64_t(capacity_)}, DType::u8, "gather.arena", Category::gather);
    transport.publish({shard_.data(), bytes});
}

std::vector<std::size_t> StreamedStore::unit_bytes() const {
    std::vector<std::size_t> bytes;
    for (int u = 0; u < int(ranges_.size()); u++) bytes.push_back(frozen_gathered(u) + trainables_.gathered_bytes(u));
    return bytes;
}

std::size_t StreamedStore::arena_size(const StoreOptions& options) const {
    const std::vector<std::size_t> bytes = unit_bytes();
    const auto largest = std::max_element(bytes.begin(), bytes.end());
    if (*largest > options.arena_cap)
        throw DoesNotFit(
            fmt::format("[store] the gather arena may have {} bytes, but {} alone needs {}; allow at least that",
                        options.arena_cap, layout(int(largest - bytes.begin())).name, *largest));
    return std::clamp(arena_bytes(bytes, options.schedules, residency_options(options)), *largest, options.arena_cap);
}

class StreamedStore::Held final : public Lease::Impl {
  public:
    Held(StreamedStore& store, int unit, Stream& user) : store_(store), unit_(unit), user_(user) {}
    ~Held() override {
        store_.postpone_failure([&] {
            store_.residency_.release(unit_, {user_.record()});
            store_.carry_out_orders();
        });
    }

  private:
    StreamedStore& store_;
    const int unit_;
    Stream& user_;
};

Lease StreamedStore::acquire(int unit, Stream& user) {
    residency_.acquire(checked(unit));
    carry_out_orders();
    auto held = std::make_unique<Held>(*this, unit, user);
    user.wait(ready_[std::size_t(unit)]);
    std::byte* base = advance(arena_.data(), residency_.offset(unit));
    return {std::move(held),
            {base, layout(unit).frozen_bytes},
            {advance(base, frozen_gathered(unit)), trainable_bytes(unit)}};
}

void StreamedStore::begin(std::span<const int> schedule) {
    residency_.schedule(schedule);
    carry_out_orders();
}

void StreamedStore::updated(Stream& user) {
    residency_.trainables_changed();
    trainables_.updated(user);
}

void StreamedStore::carry_out_orders() {
    for (const Residency::Order& order : residency_.take_orders()) {
        if (order.kind == Residency::Order::gather) {
            gather(order);
        } else if (poison_) {
            for (const Event& e : order.after) ctx_.gather().wait(e);
            std::byte* base = advance(arena_.data(), order.offset);
            std::size_t bytes = frozen_gathered(order.unit) + trainables_.gathered_bytes(order.unit);
            ctx_.gather().fill(base, 0xff, bytes);
        }
    }
}

void StreamedStore::gather(const Residency::Order& order) {
    const UnitRanges& r = ranges_[std::size_t(order.unit)];
    std::byte* base = advance(arena_.data(), order.offset);
    ctx_.memory().note_part(base, frozen_gathered(order.unit));
    ctx_.memory().note_part(advance(base, frozen_gathered(order.unit)), trainables_.gathered_bytes(order.unit));
    for (const Event& e : order.after) ctx_.gather().wait(e);
    if (order.frozen && r.frozen) gather_frozen(order.unit, base);
    if (order.trainable && r.trainable) trainables_.gather(order.unit, advance(base, frozen_gathered(order.unit)));
    ready_[std::size_t(order.unit)] = ctx_.gather().record();
}

// From the mirror: what lies before this rank's own range, and what lies behind it.
void StreamedStore::gather_frozen(int unit, std::byte* out) {
    const UnitRanges& r = ranges_[std::size_t(unit)];
    if (!mirror_) return transport_.gather_published(ctx_.gather(), r.frozen_at, r.frozen, out);
    if (ctx_.is_plan()) return;
    const std::byte* all = mirror_->unit(unit);
    const std::size_t begin = std::size_t(ctx_.rank()) * r.frozen, end = begin + r.frozen;
    ctx_.gather().copy(out, all, begin);
    ctx_.gather().copy(out + begin, shard_.data() + r.frozen_at, r.frozen);
    ctx_.gather().copy(out + end, all + end, frozen_gathered(unit) - end);
}

void StreamedStore::write_frozen(int unit, std::size_t offset, std::span<const std::byte> data) {
    const UnitRanges& r = ranges_[std::size_t(unit)];
    const Overlap mine = overlap(std::size_t(ctx_.rank()) * r.frozen, r.frozen, data, offset);
    ctx_.load(advance(shard_.data(), r.frozen_at + mine.at), mine.data);
    if (mirror_ && !mine.data.empty() && !ctx_.is_plan())
        std::memcpy(mirror_->unit(unit) + std::size_t(ctx_.rank()) * r.frozen + mine.at, mine.data.data(),
                    mine.data.size());
}

}  // namespace tandem
