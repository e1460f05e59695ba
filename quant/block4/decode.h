// A weight in a 4-bit block format, decoded on the host and on cards by the same body, to the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/host_device.h"

namespace tandem {

// Where the parts lie: bytes from the weight's first, which is that of the codes.
struct Block4Places {
    std::size_t absmax, nested_absmax, tables;
    int block_log2;
    int nested_block, nested_log2;  // log2 -1: no power of two

    static constexpr std::size_t map = 64, offset = 1088;  // bytes from `tables`, which begin with the code book
};

template <bool nested> struct StoredAbsmax { float value; };
template <> struct StoredAbsmax<true> {
    float scale;
    std::uint8_t code;
};

template <bool nested, class Table> class Block4Decoder {
  public:
    using Places = Block4Places;
    using Stored = StoredAbsmax<nested>;  // what a block's scale is made from: loaded early, used late
    using Scale = float;
    static constexpr int bits = 4;
    static constexpr int run = 32;

    TANDEM_HOST_DEVICE Block4Decoder(const std::byte* weight, const Places& at)
        : book_(part<float>(weight, at.tables)), map_(part<float>(weight, at.tables + Places::map)),
          offset_(nested ? *part<float>(weight, at.tables + Places::offset) : 0) {}

    // `group`: a block of elements.
    TANDEM_HOST_DEVICE static int group_log2(const Places& at) { return at.block_log2; }
    TANDEM_HOST_DEVICE static std::uint32_t group_of(const Places& at, std::int64_t element) {
        return std::uint32_t(element >> at.block_log2);
    }
    static std::int64_t group_end(const Places& at, std::int64_t element) {
        return ((element >> at.block_log2) + 1) << at.block_log2;
    }
    TANDEM_HOST_DEVICE static Stored load(const std::byte* weight, const Places& at, std::uint32_t group) {
        if constexpr (nested) {
            const std::uint32_t outer =
                at.nested_log2 >= 0 ? group >> at.nested_log2 : group / std::uint32_t(at.nested_block);
            return {part<float>(weight, at.nested_absmax)[outer], part<std::uint8_t>(weight, at.absmax)[group]};
        } else {
            return {part<float>(weight, at.absmax)[group]};
        }
    }
    // Double quantization has two roundings: the product, and the sum with the offset (bitsandbytes).
    TANDEM_HOST_DEVICE Scale scale(const Stored& stored) const {
        if constexpr (nested) {
#ifdef __CUDA_ARCH__
            return __fadd_rn(__fmul_rn(map_[stored.code], stored.scale), offset_);
#else
            const float scaled = map_[stored.code] * stored.scale;
            return scaled + offset_;
#endif
        } else {
            return stored.value;
        }
    }
    // Of the code in the lowest four bits; those above are ignored.
    TANDEM_HOST_DEVICE float value(std::uint32_t code, Scale scale) const { return book_[code] * scale; }

  private:
    template <class T> TANDEM_HOST_DEVICE static const T* part(const std::byte* weight, std::size_t at) {
        return reinterpret_cast<const T*>(weight + at);
    }

    Table book_;
    const float* map_;  // of 8-bit absmax codes; unused unless nested
    float offset_;
};

}  // namespace tandem
