// The units whose bytes and gradients a rank may touch now.
#pragma once
#include <vector>

#include "runtime/autograd.h"
#include "runtime/layer_store.h"

namespace tandem {

class Context;

class Leases {
  public:
    explicit Leases(int rank) : rank_(rank) {}
    // A parameter's bytes under the lease that is held now; null data on the plan device. An Error where there is none.
    Tensor bytes(const Param& param) const;
    Tensor gradient(const Param& param, DType type) const;

  private:
    friend class LeaseScope;
    friend class GradScope;
    struct Held {
        int unit;
        std::span<const std::byte> frozen, trainable;
    };
    const int rank_;
    std::vector<Held> held_;
    int gradient_unit_ = -1;
    std::span<std::byte> gradient_bytes_;
};

// Holds a unit's weights on the compute stream for its scope.
class LeaseScope {
  public:
    LeaseScope(Context& ctx, LayerStore& store, int unit);
    ~LeaseScope();
    LeaseScope(const LeaseScope&) = delete;

  private:
    Context& ctx_;
    Lease lease_;
};

// Holds a unit's gradient buffers for its scope; reduce() ends them well, the destructor alone abandons them.
class GradScope {
  public:
    GradScope(Context& ctx, LayerStore& store, int unit);
    ~GradScope();
    GradScope(const GradScope&) = delete;
    void reduce() && ;

  private:
    Context& ctx_;
    GradLease lease_;
};

}  // namespace tandem
