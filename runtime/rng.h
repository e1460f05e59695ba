// Counter-based random numbers: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).
// A number depends on where it is used, never on what was drawn before: a mask that is computed again is the same mask.
#pragma once
#include <cstdint>

#include "runtime/host_device.h"
#include "runtime/random_site.h"

namespace tandem {

struct PhiloxKey {
    std::uint32_t word[2];
};

struct PhiloxCounter {
    std::uint32_t word[4];
};

struct PhiloxBits {  // 128 random bits
    std::uint32_t word[4];
    TANDEM_HOST_DEVICE constexpr std::uint32_t operator[](int i) const { return word[i]; }
    constexpr bool operator==(const PhiloxBits&) const = default;
};

TANDEM_HOST_DEVICE constexpr PhiloxCounter philox_round(PhiloxKey key, PhiloxCounter c) {
    const std::uint64_t a = std::uint64_t(0xD2511F53u) * c.word[0], b = std::uint64_t(0xCD9E8D57u) * c.word[2];
    return {{std::uint32_t(b >> 32) ^ c.word[1] ^ key.word[0], std::uint32_t(b),
             std::uint32_t(a >> 32) ^ c.word[3] ^ key.word[1], std::uint32_t(a)}};
}
TANDEM_HOST_DEVICE constexpr PhiloxKey philox_next(PhiloxKey key) {
    return {{key.word[0] + 0x9E3779B9u, key.word[1] + 0xBB67AE85u}};
}
inline constexpr int philox_rounds = 10;

TANDEM_HOST_DEVICE constexpr PhiloxBits philox(PhiloxKey key, PhiloxCounter counter) {
    for (int round = 0; round < philox_rounds; round++) {
        counter = philox_round(key, counter);
        key = philox_next(key);
    }
    return {{counter.word[0], counter.word[1], counter.word[2], counter.word[3]}};
}

// SplitMix64's finalizer (Steele et al., 2014): a bijection of 64-bit words.
TANDEM_HOST_DEVICE constexpr std::uint64_t mix64(std::uint64_t v) {
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9u;
    v = (v ^ v >> 27) * 0x94D049BB133111EBu;
    return v ^ v >> 31;
}

// mix64(mix64(seed) + (layer << 32 | module)), low word first: for one seed, no two sites have the same key.
TANDEM_HOST_DEVICE constexpr PhiloxKey philox_key(std::uint64_t seed, RandomSite site) {
    const std::uint64_t key = mix64(mix64(seed) + (std::uint64_t(site.layer) << 32 | site.module));
    return {{std::uint32_t(key), std::uint32_t(key >> 32)}};
}

struct RandomPlace {
    std::uint32_t step;      // optimizer step
    std::uint32_t sample;    // global index, the same for any number of ranks
    std::uint32_t position;  // token in its sample; row of a weight
    std::uint32_t column;
};

// The numbers of columns 4i..4i+3, where place.column is any of them: column c takes word c % 4.
TANDEM_HOST_DEVICE constexpr PhiloxBits random_bits(PhiloxKey key, RandomPlace place) {
    return philox(key, {{place.step, place.sample, place.position, place.column / 4}});
}

// [0, 1), a multiple of 2^-24.
TANDEM_HOST_DEVICE constexpr float uniform(std::uint32_t bits) { return float(bits >> 8) * 0x1p-24f; }

// [-a, a), what torch.nn.init.uniform_(-a, a) draws.
TANDEM_HOST_DEVICE constexpr float uniform(std::uint32_t bits, float a) { return (2 * uniform(bits) - 1) * a; }

// An element is dropped with probability p in [0, 1) rounded to a multiple of 2^-32: integers on every device.
TANDEM_HOST_DEVICE constexpr std::uint32_t dropout_threshold(double p) {
    const double scaled = p * 0x1p32 + 0.5;
    return scaled < 0x1p32 ? std::uint32_t(scaled) : 0xFFFFFFFFu;
}

TANDEM_HOST_DEVICE constexpr bool dropout_keeps(std::uint32_t bits, std::uint32_t threshold) {
    return bits >= threshold;
}

}  // namespace tandem
