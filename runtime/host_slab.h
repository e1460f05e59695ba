// Host memory of one exact size, whose pages come as they are first touched.
#pragma once
#include <cstddef>

namespace tandem {

class HostSlab {
  public:
    explicit HostSlab(std::size_t bytes);  // DoesNotFit where the system has no such room
    ~HostSlab();
    HostSlab(const HostSlab&) = delete;
    std::byte* data() const { return static_cast<std::byte*>(data_); }

  private:
    std::size_t bytes_;
    void* data_ = nullptr;
};

}  // namespace tandem
