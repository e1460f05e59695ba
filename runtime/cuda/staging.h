// Page-locked host memory that copies between ordinary host memory and a card pass through.
#pragma once
#include <array>
#include <cstddef>
#include <mutex>
#include <span>

#include "runtime/cuda/pinned_slab.h"
#include "runtime/stream.h"

namespace tandem {

class Staging {
  public:
    Staging(int ordinal, Stream& stream);

    // In the stream's order. The bytes of `from` may change at once; any thread may call it.
    void upload(std::byte* to, std::span<const std::byte> from);
    // Waits for what the stream holds.
    void download(std::span<std::byte> to, const std::byte* from);

  private:
    static constexpr std::size_t half_bytes = 8u << 20;
    struct Half {
        std::byte* data = nullptr;
        Event passed;  // the copies that read or wrote it
    };
    Half& next_half();  // that no copy uses any more

    const int ordinal_;
    Stream& stream_;
    PinnedSlab slab_;
    std::array<Half, 2> halves_;
    std::size_t now_ = 0, used_ = 0;  // the half being filled, and how far
    std::mutex mutex_;
};

}  // namespace tandem
