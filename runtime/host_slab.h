// Host memory of one exact size, whose pages come as they are first touched.
#pragma once
#include <sys/mman.h>

#include <cstddef>

#include "runtime/error.h"

namespace tandem {

class HostSlab {
  public:
    explicit HostSlab(std::size_t bytes) : bytes_(bytes) {
        if (bytes == 0) return;
        data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data_ == MAP_FAILED)
            throw DoesNotFit(
                fmt::format("[memory] the system has no {} bytes for a rank's memory; plan for less", bytes));
    }
    ~HostSlab() {
        if (bytes_) munmap(data_, bytes_);
    }
    HostSlab(const HostSlab&) = delete;
    std::byte* data() const { return static_cast<std::byte*>(data_); }

  private:
    std::size_t bytes_;
    void* data_ = nullptr;
};

}  // namespace tandem
