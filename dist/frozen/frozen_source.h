// Where a rank's frozen bytes come from. One per rank, in its store; what it enqueues goes to the gather stream.
#pragma once
#include <memory>

#include "dist/frozen/host_weights.h"
#include "dist/transport.h"
#include "runtime/context.h"

namespace tandem {

enum class FrozenFrom {
    device,  // each rank holds its range on its device, and reads the others on its peers'
    mirror,  // its range on its device, the rest in a copy on the host
    host     // all in a copy on the host, nothing on the device
};

class FrozenSource {
  public:
    virtual ~FrozenSource() = default;
    // The buffer that a lease of the unit needs; 0 where it is read where it lies.
    virtual std::size_t buffer_bytes(int unit) const = 0;
    virtual const std::byte* in_place(int) const { return nullptr; }  // of a unit that needs no buffer
    virtual void fetch(int unit, std::byte* to) = 0;                  // all of its buffer_bytes
    virtual void load(int unit, std::size_t offset, std::span<const std::byte> data) = 0;  // LayerStore::load_frozen
};

// `host`: null on the plan device, and where all lies on devices. The units outlive the source.
std::unique_ptr<FrozenSource> make_frozen_source(Context& ctx, Transport& transport,
                                                 const std::vector<UnitLayout>& units, FrozenFrom from,
                                                 HostWeights* host);

}  // namespace tandem
