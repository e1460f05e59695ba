// In which order samples are trained on, and which of them a step, a micro-batch and a rank get. Everything follows
// from the number of samples, seed and epoch: a run can be resumed at any step, and a step holds the same samples in
// any world that shares out the same global batch.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

enum class Shuffle { no, yes };

// A permutation of [0, size) for an epoch: Fisher-Yates from the end, drawing number i (from 0) as splitmix64's mix of
// mix(mix(seed) + epoch) + (i + 1) * 0x9e3779b97f4a7c15, scaled to the range by the high half of a 128-bit product.
// Final: checkpoints rely on it.
class SampleOrder {
  public:
    SampleOrder(std::int64_t size, std::uint64_t seed, std::int64_t epoch, Shuffle shuffle);
    std::int64_t size() const { return std::int64_t(order_.size()); }
    std::int64_t operator[](std::int64_t i) const { return order_[std::size_t(i)]; }

  private:
    std::vector<std::uint32_t> order_;
};

struct BatchShape {
    std::int64_t world, batch, accumulation;  // batch: samples of a rank's micro-batch
    std::int64_t samples() const { return world * batch * accumulation; }
};

// The samples of one optimizer step, in order. The last step of an epoch may be short: then ranks run micro-batches
// that are smaller or empty, and micro-batches that no rank has samples for are left out.
class StepSamples {
  public:
    StepSamples(const SampleOrder& order, std::int64_t offset, BatchShape shape);
    std::span<const std::int64_t> all() const { return samples_; }
    std::int64_t micro_batches() const;
    std::span<const std::int64_t> of(std::int64_t micro_batch, std::int64_t rank) const;

  private:
    std::vector<std::int64_t> samples_;
    BatchShape shape_;
};

// Where steps lie in epochs. Steps count from 0 and never span epochs.
class StepSchedule {
  public:
    StepSchedule(std::int64_t samples, BatchShape shape) : samples_(samples), shape_(shape) {}
    std::int64_t steps_per_epoch() const { return (samples_ + shape_.samples() - 1) / shape_.samples(); }

    struct Position {
        std::int64_t epoch, offset;  // offset: samples of the epoch that are done
        bool operator==(const Position&) const = default;
    };
    Position position(std::int64_t step) const {
        return {step / steps_per_epoch(), step % steps_per_epoch() * shape_.samples()};
    }
    // Whichever comes first; max_steps -1 is no limit.
    std::int64_t total_steps(std::int64_t epochs, std::int64_t max_steps) const {
        std::int64_t all = epochs * steps_per_epoch();
        return max_steps >= 0 && max_steps < all ? max_steps : all;
    }

  private:
    std::int64_t samples_;
    BatchShape shape_;
};

}  // namespace tandem
