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

// Of bytes that come in parts, each but the last a multiple of eight.
class HashInParts {
  public:
    explicit HashInParts(std::uint64_t seed = 0) : h_(seed ^ k0) {}
    void add(std::span<const std::byte> bytes) {
        const std::byte* p = bytes.data();
        std::size_t n = bytes.size();
        size_ += n;
        for (; n >= 8; n -= 8, p += 8) {
            std::uint64_t word;
            std::memcpy(&word, p, 8);
            h_ = fold_multiply(h_ ^ word, k1);
            h_ += k0;  // a zero product must not swallow what follows
        }
        if (n) std::memcpy(&last_, p, n);
    }
    std::uint64_t value() const { return fold_multiply(h_ ^ last_ ^ k1, size_ ^ k0); }

  private:
    static constexpr std::uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu;
    std::uint64_t h_, last_ = 0, size_ = 0;
};

inline std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
    HashInParts hash(seed);
    hash.add(bytes);
    return hash.value();
}

inline std::uint64_t hash_text(std::string_view text) { return hash_bytes(std::as_bytes(std::span(text))); }

}  // namespace tandem
