// Half-quadratic quantization (Badri and Shaji, HQQ, 2023): the weight is flattened row-major and cut into groups, each
// with a scale and a zero; an element is (code - zero) * scale.
#pragma once
#include <string_view>

#include "quant/card_job.h"
#include "quant/codes.h"
#include "quant/hqq/decode.h"
#include "quant/parts.h"

namespace tandem {

class ThreadPool;
struct HostWeight;
struct Noise;

struct Hqq {
    static constexpr std::string_view folder = "hqq";

    int bits = 4;              // 8, 4, 3, 2 or 1
    int group = 64;            // elements of a group; the last may have less where axis is 1
    int axis = 1;              // 1: a group is neighbours, 0: every (elements / group)-th element
    DType meta = DType::f16;   // of scales and zeros: f16, bf16 or f32

    bool operator==(const Hqq&) const = default;
    std::string_view name() const { return "hqq"; }

    // codes u8[ceil(n/8) * bits]; scale, zero meta[groups].
    QuantParts parts(std::int64_t rows, std::int64_t cols) const;

    // With axis 1, groups that are a power of two, and f16. The scale is the range over the largest code. The zero with
    // the least mean error is kept of those that the half-quadratic solver (p = 0.7, beta = 10) goes through from
    // several starts (solve.h). Both are f16 in all of it, so the codes are the nearest of what is stored. Weights
    // beyond 4e9, which f16 cannot scale, are clipped.
    bool encode(const HostWeight& weight, std::byte* out, ThreadPool& pool) const;

    // Of `elements` weights: what is in the parts, not between them.
    void fill_with_noise(const Noise& noise, std::int64_t elements, const QuantParts& parts, std::byte* out,
                         ThreadPool& pool) const;

    // On a card, as Block4 says.
    std::size_t card_workspace(std::int64_t rows, std::int64_t cols) const;
    void encode_piece(const CardJob& job, DType dtype, const std::byte* weight, std::int64_t first,
                      std::int64_t count) const;
    void finish(const CardJob& job) const;

    template <class Table, class F> void visit_decoder(std::int64_t rows, std::int64_t cols, F&& f) const {
        const HqqPlaces at = places(rows, cols);
        visit_code_bits(bits, [&]<int width>() {
            if (axis == 1) f.template operator()<HqqDecoder<width, 1>>(at);
            else f.template operator()<HqqDecoder<width, 0>>(at);
        });
    }
    HqqPlaces places(std::int64_t rows, std::int64_t cols) const;

    std::int64_t groups(std::int64_t elements) const { return (elements + group - 1) / group; }

    // Throws Error where a weight of so many elements cannot be held so.
    void check(std::int64_t elements) const;
    // Throws Error where it cannot be encoded so.
    void check_encoding(std::int64_t elements) const;
};

}  // namespace tandem
