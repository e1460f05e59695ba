// The announced order of use, and how far it has come.
#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <vector>

#include "runtime/error.h"

namespace tandem {

class Schedule {
  public:
    void begin(std::span<const int> units) {
        units_.assign(units.begin(), units.end());
        next_ = 0;
    }
    // The next use is of this unit.
    void take(int unit) {
        if (next_ == units_.size())
            throw Error(
                fmt::format("[store] unit {} is acquired after the end of the schedule; announce every use", unit));
        if (units_[next_] != unit)
            throw Error(fmt::format(
                "[store] unit {} is acquired where the schedule names unit {}; announce every use, in order", unit,
                units_[next_]));
        next_++;
    }
    std::span<const int> rest() const { return std::span(units_).subspan(next_); }
    std::span<const int> ahead(std::size_t uses) const { return rest().first(std::min(uses, rest().size())); }

  private:
    std::vector<int> units_;
    std::size_t next_ = 0;
};

}  // namespace tandem
