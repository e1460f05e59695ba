// A 64-bit hash of bytes, for telling files and weights apart (not for security): multiply and fold eight bytes at a
// time, as wyhash does (Wang Yi). The value is part of what checkpoints hold, so the function never changes.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace tandem {

inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) {
    __extension__ using u128 = unsigned __int128;
    u128 product = u128(a) * b;
    return std::uint64_t(product) ^ std::uint64_t(product >> 64);
}

inline std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
    constexpr std::uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu;
    std::uint64_t h = seed ^ k0;
    const std::byte* p = bytes.data();
    std::size_t n = bytes.size();
    for (; n >= 8; n -= 8, p += 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        h = fold_multiply(h ^ word, k1);
        h += k0;  // a zero product must not swallow what follows
    }
    std::uint64_t last = 0;
    if (n) std::memcpy(&last, p, n);
    return fold_multiply(h ^ last ^ k1, std::uint64_t(bytes.size()) ^ k0);
}

inline std::uint64_t hash_text(std::string_view text) { return hash_bytes(std::as_bytes(std::span(text))); }

}  // namespace tandem
