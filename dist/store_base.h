// What the stores have in common: units, their agreement among ranks, and trainables.
#pragma once
#include <exception>

#include "dist/schedule.h"
#include "dist/trainables.h"

namespace tandem {

class StoreBase : public LayerStore {
  public:
    StoreBase(Context& ctx, Transport& transport, Collective& collective, const std::vector<UnitLayout>& units,
              const StoreOptions& options);

    const std::vector<UnitLayout>& units() const final { return units_; }
    void schedule(std::span<const int> units) final;
    GradLease gradients(int unit, Stream& user) final { return trainables_.gradients(checked(unit), user); }
    TrainableRange trainable(int unit, Stream& user) override { return trainables_.range(checked(unit), user); }
    void load_frozen(int unit, std::size_t offset, std::span<const std::byte> data) final;
    void load_trainable(int unit, std::int64_t offset, std::span<const std::byte> data) final;

  protected:
    virtual void begin(std::span<const int> schedule) = 0;
    virtual void write_frozen(int unit, std::size_t offset, std::span<const std::byte> data) = 0;

    int checked(int unit) const;  // that there is one, and that nothing failed since
    // At the end of a lease, which may be while another failure is handled: what fails is thrown at the next use.
    template <class F> void postpone_failure(F give_back) noexcept {
        try {
            give_back();
        } catch (...) {
            if (!failure_) failure_ = std::current_exception();
        }
    }
    const UnitLayout& layout(int unit) const { return units_[std::size_t(unit)]; }
    std::size_t trainable_bytes(int unit) const {
        return std::size_t(layout(unit).trainable_elements) * size_of(ctx_.compute_type());
    }

    Context& ctx_;
    Transport& transport_;
    Trainables trainables_;

  private:
    void not_started(const char* what) const;

    Collective& collective_;
    std::vector<UnitLayout> units_;
    std::exception_ptr failure_;
    bool started_ = false;  // a schedule was announced: everything is loaded
};

}  // namespace tandem
