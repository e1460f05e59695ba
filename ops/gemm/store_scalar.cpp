#include <type_traits>

#include "ops/gemm/machines.h"

namespace tandem {

namespace {
template <class Sum, class C, class Bias> void store(const MatmulArgs& args, const StoreTile& tile) {
    using Value = std::conditional_t<std::is_same_v<C, double>, double, Sum>;
    const Value alpha = Value(args.alpha);
    const Bias* bias = static_cast<const Bias*>(args.bias);
    for (std::int64_t i = 0; i < tile.rows; i++) {
        const Sum* sums = static_cast<const Sum*>(tile.sums) + i * tile.sums_stride;
        const std::int64_t row = (tile.row + i) * args.c_stride;
        for (std::int64_t j = 0; j < tile.cols; j++) {
            const std::int64_t at = row + tile.col + j;
            Value other = args.addend ? Value(static_cast<const C*>(args.addend)[at]) : Value(0);
            if (bias) other += Value(bias[tile.col + j]);
            static_cast<C*>(args.c)[at] = C(other + alpha * Value(sums[j]));
        }
    }
}
}  // namespace

template <class Sum> void store_scalar(const MatmulArgs& args, const StoreTile& tile) {
    visit_compute(args.c_dtype, [&]<class C>() {
        visit_compute(args.a.dtype, [&]<class Bias>() { store<Sum, C, Bias>(args, tile); });
    });
}

template void store_scalar<double>(const MatmulArgs&, const StoreTile&);
template void store_scalar<float>(const MatmulArgs&, const StoreTile&);

}  // namespace tandem
