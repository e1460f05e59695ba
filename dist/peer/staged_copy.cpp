#include "dist/peer/staged_copy.h"

#include <algorithm>

namespace tandem {

StagedCopy::StagedCopy(int owner, const AbortSignal& abort)
    : down_(owner, CudaStream::Priority::high, {&abort}), slab_(2 * chunk_bytes) {}

void StagedCopy::copy(Stream& reader, std::byte* to, const std::byte* from, std::size_t bytes, const Event& ready) {
    down_.wait(ready);
    for (std::size_t at = 0; at < bytes; at += chunk_bytes) {
        const std::size_t n = std::min(chunk_bytes, bytes - at);
        std::byte* chunk = slab_.data() + turn_ * chunk_bytes;
        down_.wait(free_[turn_]);
        down_.copy(chunk, from + at, n);
        reader.wait(down_.record());
        reader.copy(to + at, chunk, n);
        free_[turn_] = reader.record();
        turn_ = 1 - turn_;
    }
}

}  // namespace tandem
