// Each rank holds every unit whole: frozen bytes once loaded, trainables gathered after each update. A single rank's
// range is the whole unit already: nothing is copied.
#pragma once
#include <map>

#include "dist/store_base.h"

namespace tandem {

class ResidentStore final : public StoreBase {
  public:
    ResidentStore(Context& ctx, Transport& transport, Collective& collective, const std::vector<UnitLayout>& units,
                  const StoreOptions& options);

    Lease acquire(int unit, Stream& user) override;
    TrainableRange trainable(int unit, Stream& user) override;
    void updated(Stream& user) override;

  private:
    class Held;  // a Lease::Impl
    struct Unit {
        std::size_t frozen_at, trainable_at;  // bytes, in the two allocations
        Event ready;                          // its trainables' last gather
        int holders = 0;
        std::map<Stream*, Event> ends;  // of its last leases
    };
    void begin(std::span<const int> schedule) override { schedule_.begin(schedule); }
    void write_frozen(int unit, std::size_t offset, std::span<const std::byte> data) override;
    void wait_for_ends(int u, Stream& user);
    Unit& unit(int u) { return places_[std::size_t(u)]; }

    std::vector<Unit> places_;
    Schedule schedule_;
    Tensor frozen_, gathered_;  // gathered_: more than one rank
};

}  // namespace tandem
