#include <fmt/core.h>

#include <cstring>

#include "ops/embedding/embedding_kernels.h"
#include "ops/simd/parallel.h"
#include "runtime/thread_pool.h"

namespace tandem {

void embedding_forward(const CpuDevice& device, const EmbeddingForward& args) {
    const std::int32_t* tokens = args.tokens.as<std::int32_t>();
    const std::int64_t count = args.tokens.elements(), vocab = args.weight.dim(0);
    for (std::int64_t t = 0; t < count; t++)
        if (tokens[t] < 0 || tokens[t] >= vocab)
            throw Error(
                fmt::format("[embedding] token {} has id {}, outside the vocabulary of {}; "
                            "use the tokenizer that belongs to the model",
                            t, tokens[t], vocab));
    const std::size_t row_bytes = std::size_t(args.weight.dim(1)) * size_of(args.weight.dtype());
    device.pool->parallel_for(count, [&](std::int64_t t) {
        std::memcpy(args.y.data() + std::size_t(t) * row_bytes, args.weight.data() + std::size_t(tokens[t]) * row_bytes,
                    row_bytes);
    });
}

// Cut by columns: an id that comes twice is added in order by one task.
void embedding_backward(const CpuDevice& device, const EmbeddingBackward& args) {
    constexpr std::int64_t columns_per_block = 128;
    const std::int32_t* tokens = args.tokens.as<std::int32_t>();
    const std::int64_t count = args.tokens.elements(), hidden = args.dy.dim(-1);
    visit_compute(args.dy.dtype(), [&]<class T>() {
        using G = accumulate_t<T>;
        const T* dy = args.dy.as<T>();
        G* out = args.dweight.out.as<G>();
        simd::parallel(device, (hidden + columns_per_block - 1) / columns_per_block, [=](std::int64_t block) {
            const std::int64_t begin = block * columns_per_block, end = std::min(hidden, begin + columns_per_block);
            for (std::int64_t t = 0; t < count; t++) {
                const T* from = dy + t * hidden;
                G* to = out + tokens[t] * hidden;
#pragma GCC ivdep
                for (std::int64_t i = begin; i < end; i++) to[i] += G(from[i]);
            }
        });
    });
}

}  // namespace tandem
