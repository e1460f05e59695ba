#include "quant/noise.h"

#include <algorithm>
#include <cstring>

#include "runtime/cpu/simd.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

constexpr int lanes = 16;
constexpr std::size_t drawn = sizeof(PhiloxBits), batch = lanes * drawn;

// philox() of `lanes` counters that follow each other, whose rounds do not wait for one another.
inline void draw(PhiloxKey key, std::uint32_t stream, std::uint64_t number, std::uint32_t (&out)[lanes][4]) {
    std::uint32_t word[4][lanes];
    auto put = [&](int l, const PhiloxCounter& c) {
        for (int w = 0; w < 4; w++) word[w][l] = c.word[w];
    };
    for (int l = 0; l < lanes; l++) {
        const std::uint64_t i = number + std::uint64_t(l);
        put(l, {{stream, std::uint32_t(i >> 32), std::uint32_t(i), 0}});
    }
    for (int round = 0; round < philox_rounds; round++) {
        for (int l = 0; l < lanes; l++)
            put(l, philox_round(key, {{word[0][l], word[1][l], word[2][l], word[3][l]}}));
        key = philox_next(key);
    }
    for (int l = 0; l < lanes; l++)
        for (int w = 0; w < 4; w++) out[l][w] = word[w][l];
}

}  // namespace

void random_bytes(PhiloxKey key, std::uint32_t stream, std::uint64_t first, std::span<std::byte> out) {
    simd::run([&] {
        std::uint32_t bits[lanes][4];
        for (std::size_t i = 0; i < out.size(); i += batch) {
            draw(key, stream, (first + i) / drawn, bits);
            std::memcpy(out.data() + i, bits, std::min(batch, out.size() - i));
        }
    });
}

void random_bytes(PhiloxKey key, std::uint32_t stream, std::span<std::byte> out, ThreadPool& pool) {
    constexpr std::size_t piece = 1 << 20;
    pool.parallel_for(std::int64_t((out.size() + piece - 1) / piece), [&](std::int64_t p) {
        const std::size_t begin = std::size_t(p) * piece;
        random_bytes(key, stream, begin, out.subspan(begin, std::min(piece, out.size() - begin)));
    });
}

}  // namespace tandem
