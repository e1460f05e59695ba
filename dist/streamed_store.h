// Whole units are gathered into an arena shortly before their use: frozen bytes from their source, trainables from the
// ranks' ranges.
#pragma once
#include "dist/residency.h"
#include "dist/store_base.h"

namespace tandem {

class StreamedStore final : public StoreBase {
  public:
    StreamedStore(Context& ctx, Transport& transport, Collective& collective, const std::vector<UnitLayout>& units,
                  const StoreOptions& options);

    Lease acquire(int unit, Stream& user) override;
    void updated(Stream& user) override;

  private:
    class Held;  // a Lease::Impl
    void begin(std::span<const int> schedule) override;
    void write_frozen(int unit, std::size_t offset, std::span<const std::byte> data) override;

    std::vector<std::size_t> unit_bytes() const;
    std::size_t arena_size(const StoreOptions& options) const;
    std::size_t buffer_bytes(int unit) const {
        return frozen_->buffer_bytes(unit) + trainables_.gathered_bytes(unit);
    }
    void carry_out_orders();
    void gather(const Residency::Order& order);

    std::unique_ptr<FrozenSource> frozen_;
    bool poison_;
    std::size_t capacity_;
    Tensor arena_;
    Residency residency_;
    std::vector<Event> ready_;  // by unit: its last gather
};

}  // namespace tandem
