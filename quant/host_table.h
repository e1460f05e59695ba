// A table of sixteen floats in memory.
#pragma once
#include <cstdint>

namespace tandem {

class HostTable {
  public:
    explicit HostTable(const float* values) : values_(values) {}
    float operator[](std::uint32_t code) const { return values_[code & 15]; }
    const float* values() const { return values_; }

  private:
    const float* values_;
};

}  // namespace tandem
