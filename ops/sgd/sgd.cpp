#include "ops/sgd/sgd.h"

#include "ops/sgd/sgd_kernels.h"
#include "runtime/check.h"

namespace tandem {

void sgd(Context& ctx, const SgdStep& s) {
    expect("sgd", "gradient", s.gradient.shape(), s.master.shape());
    const Cost cost = cost::elementwise(s.master, s.master, s.gradient, s.gradient);
    ctx.run({"sgd", cost, {}, {s.master, s.gradient}}, [&](auto device) { sgd_kernel(device, s); });
}

}  // namespace tandem
