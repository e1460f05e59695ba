// Inputs of blocks that wait for backward in host memory. Each leaves on the offload stream as soon as it is made and
// comes back one block ahead of its use. The newest is on the device until the next one is kept: backward begins there.
#pragma once
#include <vector>

#include "runtime/context.h"

namespace tandem {

class HostInputs {
  public:
    std::size_t keep(Context& ctx, const Tensor& input);  // its number
    Tensor take(Context& ctx, std::size_t number);        // the newest that is kept; on the device, for compute

  private:
    struct Kept {
        Tensor on_host, on_device;
        Event copied;  // last, in either direction
    };
    void fetch(Context& ctx, Kept& kept);
    std::vector<Kept> kept_;
};

}  // namespace tandem
