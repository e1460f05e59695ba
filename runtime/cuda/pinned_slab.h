// Host memory that cards copy from and to directly: one exact allocation, registered once with all cards.
#pragma once
#include <cstddef>

namespace tandem {

class PinnedSlab {
  public:
    explicit PinnedSlab(std::size_t bytes);
    ~PinnedSlab();
    PinnedSlab(const PinnedSlab&) = delete;
    std::byte* data() const { return data_; }

  private:
    std::size_t bytes_;
    std::byte* data_ = nullptr;
};

}  // namespace tandem
