// Files for tests: golden, made by hand, damaged.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/scratch.h"

namespace tandem::test {

inline const std::filesystem::path golden = TANDEM_TEST_DATA;

// A safetensors file of this header text and this much data (0, 1, 2, …).
inline std::string safetensors_bytes(const std::string& header, std::size_t data) {
    std::string bytes;
    for (int i = 0; i < 8; i++) bytes += char(header.size() >> (8 * i) & 255);
    bytes += header;
    for (std::size_t i = 0; i < data; i++) bytes += char(i & 255);
    return bytes;
}

// What the call throws, as text; empty when it throws nothing. Anything but E passes on and fails the test.
template <class E, class F> std::string message_of(F&& f) {
    try {
        f();
    } catch (const E& e) {
        return e.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// xorshift64*: the same changes of a file on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::size_t below(std::size_t n) {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return std::size_t((state_ * 0x2545f4914f6cdd1dull) >> 33) % n;
    }

  private:
    std::uint64_t state_;
};

// Calls f with copies of the text in which one to three bytes changed.
template <class F> void with_flips(const std::string& text, int rounds, F&& f) {
    Random random(1);
    for (int i = 0; i < rounds; i++) {
        std::string changed = text;
        for (std::size_t k = 0, n = 1 + random.below(3); k < n; k++)
            changed[random.below(changed.size())] = char(random.below(256));
        f(changed);
    }
}

}  // namespace tandem::test
