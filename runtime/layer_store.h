// Where a rank's weights come from. A unit is what is gathered at once: the embedding, each layer, the final norm with
// the head. Its bytes are two blobs: frozen (codes, scales, norms), and trainable (adapters; all weights when they are
// trained), kept as masters in f32 and handed out in the type that the graph computes in.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/dtype.h"
#include "runtime/stream.h"

namespace tandem {

// Sizes of a unit's two blobs. Every tensor in them starts at a multiple of unit_alignment bytes (frozen) or
// unit_alignment / 4 elements (trainable), and so does every rank's range: no rank's range splits a block of 256 f32.
struct UnitLayout {
    std::string name;
    std::size_t frozen_bytes = 0;
    std::int64_t trainable_elements = 0;
};
inline constexpr std::size_t unit_alignment = 1024;

// Rank r's range of a blob of `size` (bytes or elements) is [r * n, (r + 1) * n) with n = range_size(...); the last
// ranges may reach past the end or be empty. `quantum`: unit_alignment for bytes, unit_alignment / 4 for elements.
constexpr std::size_t range_size(std::size_t size, int world_size, std::size_t quantum) {
    std::size_t parts = std::size_t(world_size) * quantum;
    return (size + parts - 1) / parts * quantum;
}

// Holds a unit's bytes. Move-only; its end lets the buffer go once its user's stream has passed the point.
class Lease {
  public:
    class Impl {
      public:
        virtual ~Impl() = default;  // gives back; never throws
    };
    Lease() = default;
    Lease(std::unique_ptr<Impl> impl, std::span<const std::byte> frozen, std::span<const std::byte> trainable)
        : impl_(std::move(impl)), frozen_(frozen), trainable_(trainable) {}

    std::span<const std::byte> frozen() const { return frozen_; }        // null data on the plan device
    std::span<const std::byte> trainable() const { return trainable_; }  // in the compute type

  private:
    std::unique_ptr<Impl> impl_;
    std::span<const std::byte> frozen_, trainable_;
};

// Zeroed buffers for the gradients of a unit's trainables, f32 (f64 where the graph computes in f64).
class GradLease {
  public:
    class Impl {
      public:
        virtual ~Impl() = default;  // abandons: no collective starts
        virtual void reduce() = 0;
    };
    GradLease() = default;
    GradLease(std::unique_ptr<Impl> impl, std::span<std::byte> bytes) : impl_(std::move(impl)), bytes_(bytes) {}
    std::span<std::byte> bytes() const { return bytes_; }
    // Reduce-scatters: adds the sum over ranks, in rank order, to the gradient of each rank's range. May throw.
    void reduce() && {
        std::unique_ptr<Impl> impl = std::move(impl_);
        impl->reduce();
    }

  private:
    std::unique_ptr<Impl> impl_;
    std::span<std::byte> bytes_;
};

// The rank's own part of a unit's trainables: `elements` from element `begin` of the blob on.
struct TrainableRange {
    std::int64_t begin = 0, elements = 0;
    std::byte* master = nullptr;    // f32 (f64 where the graph computes in f64)
    std::byte* gradient = nullptr;  // as master; sums up over micro-batches until cleared by the optimizer
};

class LayerStore {  // one per rank, used by its thread
  public:
    virtual ~LayerStore() = default;
    virtual const std::vector<UnitLayout>& units() const = 0;
    // Order of use from here on; prefetching follows it. All ranks issue the same schedules. What is in flight is kept
    // if the new schedule names it next, else it is waited for and dropped. A unit named twice running is gathered
    // once.
    virtual void schedule(std::span<const int> units) = 0;
    virtual Lease acquire(int unit, Stream& user) = 0;        // user waits for the bytes; the next prefetch starts
    virtual GradLease gradients(int unit, Stream& user) = 0;
    virtual TrainableRange trainable(int unit, Stream& user) = 0;  // user waits for reductions
    virtual void updated(Stream& user) = 0;  // after masters were written: later gathers wait for user

    // Loading, before the first schedule: writes this rank's part of bytes [offset, offset + data.size()) of the unit's
    // frozen blob, or of elements [offset, …) of its masters (data in the masters' type). Any thread, disjoint ranges.
    virtual void load_frozen(int unit, std::size_t offset, std::span<const std::byte> data) = 0;
    virtual void load_trainable(int unit, std::int64_t offset, std::span<const std::byte> data) = 0;
};

}  // namespace tandem
