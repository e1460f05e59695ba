// The codes of a weight are a string of bits, the highest bit of each code first: eight codes of `bits` fill `bits`
// bytes. Read and written by these eights.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "runtime/error.h"
#include "runtime/host_device.h"

namespace tandem {

// Calls f<bits>() for the widths that there are.
template <class F> decltype(auto) visit_code_bits(int bits, F&& f) {
    switch (bits) {
        case 8: return f.template operator()<8>();
        case 4: return f.template operator()<4>();
        case 3: return f.template operator()<3>();
        case 2: return f.template operator()<2>();
        case 1: return f.template operator()<1>();
        default: throw Error("[codes] expected codes of 8, 4, 3, 2 or 1 bits");
    }
}

template <int bits> class EightCodes {
    static_assert(bits == 1 || bits == 2 || bits == 3 || bits == 4 || bits == 8);
    using Word = std::conditional_t<bits == 8, std::uint64_t, std::uint32_t>;

  public:
    // Number `i` of a weight's, whose first is at a multiple of 8 bytes.
    TANDEM_HOST_DEVICE EightCodes(const std::byte* codes, std::int64_t i) {
        const std::byte* from = codes + i * bits;
        if constexpr (bits == 3)
            word_ = Word(from[0]) << 16 | Word(from[1]) << 8 | Word(from[2]);
        else
            std::memcpy(&word_, __builtin_assume_aligned(from, bits), bits);
    }
    // From codes below 1 << bits, one each.
    explicit EightCodes(const std::uint8_t (&code)[8]) {
        for (int k = 0; k < 8; k++) word_ |= Word(code[k]) << shift(k);
    }

    TANDEM_HOST_DEVICE std::uint32_t operator[](int k) const {
        return std::uint32_t(word_ >> shift(k)) & ((1u << bits) - 1);
    }
    void store(std::byte* codes, std::int64_t i) const {
        std::byte* to = codes + i * bits;
        if constexpr (bits == 3) {
            for (int b = 0; b < 3; b++) to[b] = std::byte(word_ >> (16 - 8 * b));
        } else {
            std::memcpy(to, &word_, bits);
        }
    }

    // The word that code k is in, shifted by shift(k), has it in its lowest bits.
    TANDEM_HOST_DEVICE Word word() const { return word_; }
    TANDEM_HOST_DEVICE static constexpr int shift(int k) {
        if (bits == 3) return 21 - 3 * k;
        return k * bits / 8 * 8 + (8 - bits - k * bits % 8);  // bytes in order, in each from its highest bits down
    }

  private:
    Word word_ = 0;
};

}  // namespace tandem
