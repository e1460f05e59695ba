#include "ops/dropout/dropout_kernels.h"
#include "ops/simd/gradient.h"
#include "ops/simd/parallel.h"

namespace tandem {

namespace {

constexpr std::int64_t columns_per_block = 256;

// The numbers of columns [place.column, place.column + 256).
void draw(PhiloxKey key, RandomPlace place, std::uint32_t* bits) {
    for (std::uint32_t group = 0; group < columns_per_block / 4; group++) {
        const PhiloxBits b = random_bits(key, {place.step, place.sample, place.position, place.column + group * 4});
        for (std::uint32_t w = 0; w < 4; w++) bits[group * 4 + w] = b.word[w];
    }
}

template <class T> void apply_row(const DropoutBackward& args, PhiloxKey key, std::int64_t t) {
    using A = accumulate_t<T>;
    const std::uint32_t threshold = dropout_threshold(args.p);
    const A scale = A(1 / (1 - args.p));
    const std::int64_t columns = args.dy.dim(-1), row = t * columns;
    const T* in = args.dy.as<T>();
    RandomPlace place{std::uint32_t(args.random.step), std::uint32_t(args.random.samples.as<std::int32_t>()[t]),
                      std::uint32_t(args.random.positions.as<std::int32_t>()[t]), 0};
    std::uint32_t bits[columns_per_block];
    for (std::int64_t c = 0; c < columns; c += columns_per_block) {
        place.column = std::uint32_t(c);
        draw(key, place, bits);
        const std::int64_t begin = row + c, end = row + std::min(columns, c + columns_per_block);
        simd::write_gradient<T>(args.dx, begin, end, [=, &bits](std::int64_t i) {
            const A kept = A(in[i]) * scale;
            return dropout_keeps(bits[i - begin], threshold) ? kept : A(0);
        });
    }
}

}  // namespace

void dropout_forward(const CpuDevice& device, const DropoutForward& args) {
    dropout_backward(device, {args.x, args.site, args.p, args.random, {args.out, {}}});
}

void dropout_backward(const CpuDevice& device, const DropoutBackward& args) {
    const PhiloxKey key = philox_key(args.random.seed, args.site);
    visit_compute(args.dy.dtype(), [&]<class T>() {
        simd::parallel(device, args.dy.rows(), [&](std::int64_t t) { apply_row<T>(args, key, t); });
    });
}

}  // namespace tandem
