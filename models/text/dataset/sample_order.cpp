#include "models/text/dataset/sample_order.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/error.h"

namespace tandem {
namespace {

// The output function of splitmix64 (Steele, Lea and Flood, 2014; Stafford's mix 13).
std::uint64_t mix(std::uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

}  // namespace

SampleOrder::SampleOrder(std::int64_t size, std::uint64_t seed, std::int64_t epoch, Shuffle shuffle) {
    if (size > std::numeric_limits<std::uint32_t>::max())
        throw InputError(fmt::format("[dataset] expected fewer than 2^32 samples, got {}", size));
    order_.resize(std::size_t(size));
    std::iota(order_.begin(), order_.end(), 0u);
    if (shuffle == Shuffle::no) return;
    std::uint64_t state = mix(mix(seed) + std::uint64_t(epoch));
    for (std::uint64_t left = std::uint64_t(size); left > 1; left--) {
        state += 0x9e3779b97f4a7c15u;
        auto drawn = static_cast<unsigned __int128>(mix(state)) * left >> 64;
        std::swap(order_[std::size_t(left - 1)], order_[std::size_t(drawn)]);
    }
}

StepSamples::StepSamples(const SampleOrder& order, std::int64_t offset, BatchShape shape) : shape_(shape) {
    std::int64_t end = std::min(order.size(), offset + shape.samples());
    for (std::int64_t i = offset; i < end; i++) samples_.push_back(order[i]);
}

std::int64_t StepSamples::micro_batches() const {
    std::int64_t global = shape_.world * shape_.batch;
    return (std::int64_t(samples_.size()) + global - 1) / global;
}

std::span<const std::int64_t> StepSamples::of(std::int64_t micro_batch, std::int64_t rank) const {
    std::int64_t size = std::int64_t(samples_.size());
    std::int64_t begin = std::min(size, (micro_batch * shape_.world + rank) * shape_.batch);
    std::int64_t end = std::min(size, begin + shape_.batch);
    return std::span(samples_).subspan(std::size_t(begin), std::size_t(end - begin));
}

}  // namespace tandem
