#include "ops/dropout/dropout_kernels.h"
#include "ops/simd/parallel.h"

namespace tandem {

namespace {

// to = addend + mask * from / (1 - p)
void apply(const CpuDevice& device, const DropoutBackward& args) {
    const Tensor& from = args.dy;
    const GradOut& to = args.dx;
    const std::int64_t columns = from.dim(-1);
    const PhiloxKey key = philox_key(args.random.seed, args.site);
    const std::uint32_t threshold = dropout_threshold(args.p);
    const std::int32_t *samples = args.random.samples.as<std::int32_t>(), *positions = args.random.positions.as<std::int32_t>();
    visit_compute(from.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const A scale = A(1 / (1 - args.p));
        simd::parallel(device, from.rows(), [&](std::int64_t t) {
            RandomPlace place{std::uint32_t(args.random.step), std::uint32_t(samples[t]), std::uint32_t(positions[t]), 0};
            const T* in = from.as<T>() + t * columns;
            const T* addend = to.addend ? to.addend.as<T>() + t * columns : nullptr;
            T* out = to.out.as<T>() + t * columns;
            for (std::int64_t c = 0; c < columns; c++) {
                place.column = std::uint32_t(c);
                A v = dropout_keeps(random_bits(key, place)[c % 4], threshold) ? A(in[c]) * scale : A(0);
                out[c] = T(addend ? A(addend[c]) + v : v);
            }
        });
    });
}

}  // namespace

void dropout_forward(const CpuDevice& device, const DropoutForward& args) {
    apply(device, {args.x, args.site, args.p, args.random, {args.out, {}}});
}

void dropout_backward(const CpuDevice& device, const DropoutBackward& args) { apply(device, args); }

}  // namespace tandem
