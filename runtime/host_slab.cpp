#include "runtime/host_slab.h"

#include <fmt/core.h>

#include <sys/mman.h>

#include "runtime/error.h"

namespace tandem {

HostSlab::HostSlab(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED)
        throw DoesNotFit(fmt::format("[memory] the system has no {} bytes for a rank's memory; plan for less", bytes));
}

HostSlab::~HostSlab() {
    if (bytes_) munmap(data_, bytes_);
}

}  // namespace tandem
