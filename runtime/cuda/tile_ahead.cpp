#include "runtime/cuda/tile_ahead.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "runtime/hash.h"

namespace tandem {

namespace {

bool same(const TileSource& a, const TileSource& b) {
    return a.bytes == b.bytes && a.bytes && a.maker->same(*b.maker);
}

// Pointers of one lease's blob as a number that is the same in every lease.
std::ptrdiff_t distance(const std::byte* from, const std::byte* to) {
    return std::ptrdiff_t(reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from));
}
const std::byte* advance(const std::byte* from, std::ptrdiff_t by) {
    return reinterpret_cast<const std::byte*>(reinterpret_cast<std::uintptr_t>(from) + std::uintptr_t(by));
}

}  // namespace

TileAhead::TileAhead(CudaStream& compute, CudaStream& ahead, std::span<std::byte> memory)
    : compute_(compute), ahead_(ahead), slot_bytes_(memory.size() / slots) {
    for (std::size_t i = 0; i < slots; i++) slot_[i].data = memory.data() + i * slot_bytes_;
}

const std::byte* TileAhead::take(const TileSource& source) {
    if (source.tile_bytes > slot_bytes_)
        throw Error(
            fmt::format("[tiles] a weight of {} bytes dequantized does not fit a tile of {}; plan for the "
                        "largest weight",
                        source.tile_bytes, slot_bytes_));
    learn(source);
    auto found = std::find_if(slot_.begin(), slot_.end(), [&](const Slot& s) { return same(s.holds, source); });
    if (found == slot_.end()) {
        found = slot_.begin() + std::ptrdiff_t(1 - now_);
        compute_.wait(found->made);  // another tile may still be made there, in vain
        {
            StreamSpan span(compute_, "dequantize");
            source.maker->make(compute_.handle(), source.bytes, found->data);
        }
        found->holds = source;
        found->made = Event();
    } else {
        compute_.wait(std::exchange(found->made, Event()));
    }
    now_ = std::size_t(found - slot_.begin());
    make_next();
    return found->data;
}

void TileAhead::learn(const TileSource& source) {
    std::ptrdiff_t step = last_.bytes ? distance(last_.bytes, source.bytes) : 0;
    if (last_.bytes) {
        TileSource next = source;
        next.bytes = advance(nullptr, step);
        next_.insert_or_assign(path_, next);
    }
    const std::array<std::uint64_t, 3> here{path_, std::uint64_t(step), source.tile_bytes};
    path_ = hash_bytes(std::as_bytes(std::span(here)));
    last_ = source;
}

// Compute has waited for the lease's bytes, and is done with what the other slot held, at the point recorded here.
void TileAhead::make_next() {
    auto found = next_.find(path_);
    if (found == next_.end()) return;
    TileSource next = found->second;
    next.bytes = advance(last_.bytes, distance(nullptr, next.bytes));
    Slot& other = slot_[1 - now_];
    if (same(other.holds, next) || next.tile_bytes > slot_bytes_) return;
    ahead_.wait(compute_.record());
    {
        StreamSpan span(ahead_, "dequantize");
        next.maker->make(ahead_.handle(), next.bytes, other.data);
    }
    other.holds = next;
    other.made = ahead_.record();
}

void TileAhead::begin(std::uint64_t sequence) {
    path_ = sequence;
    last_ = {};
}

void TileAhead::end() noexcept {
    last_ = {};
    for (Slot& s : slot_) try {
            s.holds = {};
            compute_.wait(std::exchange(s.made, Event()));
        } catch (const Error&) {  // the stream has failed: its next call throws the same
        }
}

}  // namespace tandem
