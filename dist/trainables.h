// A rank's part of what is trained: masters and gradients of its range of every unit, their copies in the compute type,
// and the exchange of both with its peers.
#pragma once
#include "dist/gradient_buffers.h"
#include "dist/ranges.h"
#include "dist/store.h"

namespace tandem {

class Trainables {
  public:
    Trainables(Context& ctx, Transport& transport, const std::vector<UnitLayout>& units, const StoreOptions& options);

    GradLease gradients(int unit, Stream& user);
    TrainableRange range(int unit,
                         Stream& user);  // user waits for reductions, and for peers that still read the masters
    void load(int unit, std::int64_t offset, std::span<const std::byte> data);
    // Brings the copies in the compute type up to date with the masters, on user; later gathers wait for it.
    void updated(Stream& user);

    // This rank's range as peers gather it: in the compute type.
    std::span<const std::byte> own(int unit) const;
    std::size_t gathered_bytes(int unit) const { return own(unit).size() * std::size_t(ctx_.world_size()); }
    // Gathers all ranks' ranges to `out`, on the gather stream.
    void gather(int unit, std::byte* out);

  private:
    class Gradients;  // a GradLease::Impl
    struct Exchange {
        Event gathered, reduced;  // the last ones
    };
    const UnitRanges& of(int unit) const { return ranges_[std::size_t(unit)]; }
    std::size_t buffer_bytes(int unit) const;
    void reduce(int unit, std::byte* buffer, Event written);
    bool narrow() const { return ctx_.compute_type() != type_; }

    Context& ctx_;
    Transport& transport_;
    std::vector<UnitLayout> units_;
    std::vector<UnitRanges> ranges_;
    bool poison_;
    DType type_;  // of masters and gradients
    std::vector<Exchange> exchanges_;
    Tensor masters_, gradients_, copies_, buffer_arena_;
    GradientBuffers buffers_;
};

}  // namespace tandem
