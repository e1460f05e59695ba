#include "quant/noise.h"

#include <algorithm>
#include <cstring>

#include "runtime/thread_pool.h"

namespace tandem {

void fill_with_random_bytes(PhiloxKey key, std::uint32_t stream, std::span<std::byte> out, ThreadPool& pool) {
    constexpr std::size_t piece = 1 << 20, drawn = sizeof(PhiloxBits);
    pool.parallel_for(std::int64_t((out.size() + piece - 1) / piece), [&](std::int64_t p) {
        const std::size_t begin = std::size_t(p) * piece, end = std::min(begin + piece, out.size());
        for (std::size_t i = begin; i < end; i += drawn) {
            const std::uint64_t number = i / drawn;
            const PhiloxBits bits = philox(key, {{stream, std::uint32_t(number >> 32), std::uint32_t(number), 0}});
            std::memcpy(out.data() + i, bits.word, std::min(drawn, end - i));
        }
    });
}

}  // namespace tandem
