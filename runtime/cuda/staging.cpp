#include "runtime/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "runtime/abort.h"
#include "runtime/cuda/cuda_stream.h"

namespace tandem {

namespace {

const AbortSignal never;  // staged copies depend on no other rank

}  // namespace

Staging::Staging(int ordinal, Stream& stream) : ordinal_(ordinal), stream_(stream), slab_(2 * half_bytes) {
    halves_[0].data = slab_.data();
    halves_[1].data = slab_.data() + half_bytes;
}

Staging::Half& Staging::next_half() {
    halves_[now_].passed = stream_.record();
    now_ = 1 - now_;
    used_ = 0;
    wait_on_host(halves_[now_].passed, never);
    return halves_[now_];
}

void Staging::upload(std::byte* to, std::span<const std::byte> from) {
    std::lock_guard lock(mutex_);
    OnDevice here(ordinal_);
    while (!from.empty()) {
        Half* half = used_ < half_bytes ? &halves_[now_] : &next_half();
        std::size_t bytes = std::min(from.size(), half_bytes - used_);
        std::memcpy(half->data + used_, from.data(), bytes);
        stream_.copy(to, half->data + used_, bytes);
        used_ += bytes;
        to += bytes;
        from = from.subspan(bytes);
    }
}

void Staging::download(std::span<std::byte> to, const std::byte* from) {
    std::lock_guard lock(mutex_);
    OnDevice here(ordinal_);
    std::span<std::byte> before;  // in the other half, on its way
    Half* other = nullptr;
    while (!to.empty()) {
        Half& half = next_half();
        std::size_t bytes = std::min(to.size(), half_bytes);
        stream_.copy(half.data, from, bytes);
        half.passed = stream_.record();
        used_ = half_bytes;
        if (other) {
            wait_on_host(other->passed, never);
            std::memcpy(before.data(), other->data, before.size());
        }
        before = to.first(bytes);
        other = &half;
        from += bytes;
        to = to.subspan(bytes);
    }
    if (!other) return;
    stream_.synchronize();
    std::memcpy(before.data(), other->data, before.size());
}

}  // namespace tandem
