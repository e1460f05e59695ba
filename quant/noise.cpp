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
    std::uint32_t c0[lanes], c1[lanes], c2[lanes], c3[lanes] = {};
    for (int l = 0; l < lanes; l++) {
        const std::uint64_t i = number + std::uint64_t(l);
        c0[l] = stream;
        c1[l] = std::uint32_t(i >> 32);
        c2[l] = std::uint32_t(i);
    }
    std::uint32_t k0 = key.word[0], k1 = key.word[1];
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < lanes; l++) {
            const std::uint64_t a = std::uint64_t(0xD2511F53u) * c0[l], b = std::uint64_t(0xCD9E8D57u) * c2[l];
            c0[l] = std::uint32_t(b >> 32) ^ c1[l] ^ k0;
            c1[l] = std::uint32_t(b);
            c2[l] = std::uint32_t(a >> 32) ^ c3[l] ^ k1;
            c3[l] = std::uint32_t(a);
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int l = 0; l < lanes; l++) {
        out[l][0] = c0[l];
        out[l][1] = c1[l];
        out[l][2] = c2[l];
        out[l][3] = c3[l];
    }
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
