// A weight in HQQ, decoded on the host and on cards by the same body, to the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "quant/hqq/bits.h"
#include "runtime/dtype.h"

namespace tandem {

// Where the parts lie: bytes from the weight's first, which is that of the codes.
struct HqqPlaces {
    std::size_t scale, zero;
    DType meta;
    std::int32_t group, log2;  // elements of a group, and their log2; -1: no power of two
    std::uint32_t groups;
};

template <int width, int axis> class HqqDecoder {
  public:
    using Places = HqqPlaces;
    struct Stored { std::uint32_t scale, zero; };  // as bits of `meta`
    struct Scale { float scale, zero; };
    static constexpr int bits = width;
    static constexpr int run = axis == 1 ? 8 : 1;

    TANDEM_HOST_DEVICE HqqDecoder(const std::byte*, const Places& at)
        : shift_(at.meta == DType::f32 ? 0 : at.meta == DType::bf16 ? 16 : of_f16_) {}

    TANDEM_HOST_DEVICE static int group_log2(const Places& at) { return at.log2; }
    TANDEM_HOST_DEVICE static std::uint32_t group_of(const Places& at, std::int64_t element) {
        if (axis == 0) return std::uint32_t(element % at.groups);
        return at.log2 >= 0 ? std::uint32_t(element >> at.log2) : std::uint32_t(element / at.group);
    }
    static std::int64_t group_end(const Places& at, std::int64_t element) {
        return (std::int64_t(group_of(at, element)) + 1) * at.group;
    }
    TANDEM_HOST_DEVICE static std::uint32_t next_group(const Places& at, std::uint32_t group) {
        return group + 1 == at.groups ? 0 : group + 1;
    }
    TANDEM_HOST_DEVICE static Stored load(const std::byte* weight, const Places& at, std::uint32_t group) {
        if (at.meta == DType::f32)
            return {part<std::uint32_t>(weight, at.scale)[group], part<std::uint32_t>(weight, at.zero)[group]};
        return {part<std::uint16_t>(weight, at.scale)[group], part<std::uint16_t>(weight, at.zero)[group]};
    }
    TANDEM_HOST_DEVICE Scale scale(const Stored& stored) const { return {number(stored.scale), number(stored.zero)}; }
    // Of the code in the lowest bits; those above are ignored.
    TANDEM_HOST_DEVICE float value(std::uint32_t code, const Scale& s) const {
        code &= (1u << bits) - 1;
        // Behind the leading bit of 2^23: on a card a conversion has a quarter of an addition's rate.
        const float q = hqq::from_bits(0x4b000000u | code) - 0x1p23f;
        return (q - s.zero) * s.scale;
    }

  private:
    template <class T> TANDEM_HOST_DEVICE static const T* part(const std::byte* weight, std::size_t at) {
        return reinterpret_cast<const T*>(weight + at);
    }
    TANDEM_HOST_DEVICE float number(std::uint32_t stored) const {
        const float wide = hqq::from_bits(stored << shift_);
        return shift_ == of_f16_ ? hqq::from_f16(stored) : wide;
    }

    static constexpr int of_f16_ = 13;
    int shift_;  // from a stored number's bits to where f32 has them: 0 of f32, 16 of bf16
};

}  // namespace tandem
