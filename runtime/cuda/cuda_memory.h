// Memory on a card.
#pragma once
#include <memory>

#include "runtime/memory.h"

namespace tandem {

// One allocation for all that a rank needs.
class DeviceSlab {
  public:
    DeviceSlab(int ordinal, std::size_t bytes);  // throws DoesNotFit, with what is free
    ~DeviceSlab();
    DeviceSlab(const DeviceSlab&) = delete;
    std::byte* data() const { return data_; }

  private:
    int ordinal_;
    std::byte* data_ = nullptr;
};

// Each allocation by itself, on the card or page-locked on the host, for code that embeds ops without a plan: slow, and
// each release waits for the card.
std::unique_ptr<Memory> make_cuda_heap_memory(int ordinal, Place place);

// What Memory::watch is given on a card: null on hardware; the simulator's checker of stream order learns of it where
// tensors begin and end.
Memory::Watch extent_watch();

}  // namespace tandem
