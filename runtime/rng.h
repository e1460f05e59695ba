// Counter-based random numbers: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).
// A number depends on where it is used, never on what was drawn before: a mask that is computed again is the same mask.
#pragma once
#include <cmath>
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

TANDEM_HOST_DEVICE constexpr PhiloxBits philox(PhiloxKey key, PhiloxCounter counter) {
    std::uint32_t k0 = key.word[0], k1 = key.word[1];
    std::uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
    for (int round = 0; round < 10; round++) {
        const std::uint64_t a = std::uint64_t(0xD2511F53u) * c0, b = std::uint64_t(0xCD9E8D57u) * c2;
        c0 = std::uint32_t(b >> 32) ^ c1 ^ k0;
        c1 = std::uint32_t(b);
        c2 = std::uint32_t(a >> 32) ^ c3 ^ k1;
        c3 = std::uint32_t(a);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
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

struct Normal4 {
    float value[4];
};

// Four numbers of N(0, 1) (Box and Muller, 1958): words 0 and 1 make a pair, 2 and 3 another. In double, so that the
// last bits of a device's log and cos are rounded away.
TANDEM_HOST_DEVICE inline Normal4 normal(PhiloxBits bits) {
    constexpr double two_pi = 6.283185307179586;
    Normal4 out{};
    for (int i = 0; i < 4; i += 2) {
        const double radius = std::sqrt(-2 * std::log((bits[i] + 0.5) * 0x1p-32));  // the argument is never 0
        const double angle = two_pi * (bits[i + 1] * 0x1p-32);
        out.value[i] = float(radius * std::cos(angle));
        out.value[i + 1] = float(radius * std::sin(angle));
    }
    return out;
}

}  // namespace tandem
