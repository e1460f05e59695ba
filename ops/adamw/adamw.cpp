#include "ops/adamw/adamw.h"

#include "ops/adamw/adamw_kernels.h"
#include "runtime/check.h"

namespace tandem {

void adamw(Context& ctx, const AdamwStep& s) {
    expect("adamw", "gradient", s.gradient.shape(), s.master.shape());
    expect("adamw", "m", s.m.shape(), s.master.shape());
    expect("adamw", "v", s.v.shape(), s.master.shape());
    expect("adamw", "steps counted from 1", s.step >= 1);
    Cost cost = cost::elementwise(s.master, s.master, s.gradient, s.gradient, s.m, s.m, s.v, s.v);
    ctx.run({"adamw", cost, {}, {s.master, s.gradient, s.m, s.v}},
            [&](auto device) { adamw_kernel(device, s); });
}

}  // namespace tandem
