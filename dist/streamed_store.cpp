#include "dist/streamed_store.h"

#include <fmt/core.h>

namespace tandem {

namespace {

Residency::Options residency_options(const StoreOptions& options, std::size_t capacity = 0) {
    return {capacity, options.prefetch, options.strategy == Strategy::shard_grad_op};
}

}  // namespace

StreamedStore::StreamedStore(Context& ctx, Transport& transport, Collective& collective,
                             const std::vector<UnitLayout>& units, const StoreOptions& options)
    : StoreBase(ctx, transport, collective, units, options),
      frozen_(make_frozen_source(ctx, transport, this->units(), options.frozen, options.host)),
      poison_(options.poison),
      capacity_(arena_size(options)),
      residency_(unit_bytes(), residency_options(options, capacity_)),
      ready_(units.size()) {
    arena_ = ctx.empty({std::int64_t(capacity_)}, DType::u8, "gather.arena", Category::gather);
}

std::vector<std::size_t> StreamedStore::unit_bytes() const {
    std::vector<std::size_t> bytes;
    for (int u = 0; u < int(units().size()); u++) bytes.push_back(buffer_bytes(u));
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
    const std::byte* base = advance(arena_.data(), residency_.offset(unit));
    const std::size_t fetched = frozen_->buffer_bytes(unit);
    return {std::move(held),
            {fetched ? base : frozen_->in_place(unit), layout(unit).frozen_bytes},
            {base ? base + fetched : nullptr, trainable_bytes(unit)}};
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
            ctx_.gather().fill(advance(arena_.data(), order.offset), 0xff, buffer_bytes(order.unit));
        }
    }
}

void StreamedStore::gather(const Residency::Order& order) {
    const std::size_t frozen = frozen_->buffer_bytes(order.unit), trained = trainables_.gathered_bytes(order.unit);
    std::byte* base = advance(arena_.data(), order.offset);
    ctx_.memory().note_part(base, frozen);
    ctx_.memory().note_part(advance(base, frozen), trained);
    for (const Event& e : order.after) ctx_.gather().wait(e);
    if (order.frozen && frozen) frozen_->fetch(order.unit, base);
    if (order.trainable && trained) trainables_.gather(order.unit, advance(base, frozen));
    ready_[std::size_t(order.unit)] = ctx_.gather().record();
}

void StreamedStore::write_frozen(int unit, std::size_t offset, std::span<const std::byte> data) {
    frozen_->load(unit, offset, data);
}

}  // namespace tandem
