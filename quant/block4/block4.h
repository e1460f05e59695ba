// bitsandbytes' 4-bit formats (Dettmers et al., QLoRA, 2023): the weight is flattened row-major, each block of `block`
// elements has one absmax, and an element is the nearest entry of a code book of sixteen, times that absmax. With
// double quantization (nested) the absmax are 8-bit codes with their own scales. NF4 and FP4 differ in their code book.
#pragma once
#include <string_view>

#include "quant/card_job.h"
#include "quant/block4/decode.h"
#include "quant/parts.h"

namespace tandem {

class ThreadPool;
struct HostWeight;
struct Noise;

struct Block4 {
    static constexpr std::string_view folder = "block4";
    enum class Book : std::uint8_t { nf4, fp4 };

    Book book = Book::nf4;
    bool nested = true;
    int block = 64;          // elements per absmax, a power of two from 32 to 4096
    int nested_block = 256;  // absmax per second-level scale

    bool operator==(const Block4&) const = default;
    std::string_view name() const { return book == Book::nf4 ? "nf4" : "fp4"; }

    // codes u8[ceil(n/2)], element 2i in the high nibble; absmax f32[blocks], nested: u8[blocks]; quant_map f32[16],
    // the code book. Nested only: nested_absmax f32[ceil(blocks/nested_block)]; nested_quant_map f32[256];
    // nested_offset f32[1], the mean of the absmax.
    QuantParts parts(std::int64_t rows, std::int64_t cols) const;

    // A block of zeros, or one so small (absmax <= 2^-128) that 1/absmax is no fp32 number, gets codes of zero.
    bool encode(const HostWeight& weight, std::byte* out, ThreadPool& pool) const;

    // Of `elements` weights: what is in the parts, not between them.
    void fill_with_noise(const Noise& noise, std::int64_t elements, const QuantParts& parts, std::byte* out,
                         ThreadPool& pool) const;

    // On a card: codes and absmax of `count` elements from element `first` on; `weight` are these, f32, bf16 or f16,
    // 16-byte aligned; `first` is a multiple of card_piece, and so is `count`, but for the last. Then the rest: double
    // quantization, tables, zeros between the parts; the u32 that the workspace begins with becomes 1 if a weight is
    // NaN or infinite, else 0.
    std::size_t card_workspace(std::int64_t rows, std::int64_t cols) const;
    void encode_piece(const CardJob& job, DType dtype, const std::byte* weight, std::int64_t first,
                      std::int64_t count) const;
    void finish(const CardJob& job) const;

    template <class Table, class F> void visit_decoder(std::int64_t rows, std::int64_t cols, F&& f) const {
        const Block4Places at = places(rows, cols);
        if (nested) f.template operator()<Block4Decoder<true, Table>>(at);
        else f.template operator()<Block4Decoder<false, Table>>(at);
    }
    Block4Places places(std::int64_t rows, std::int64_t cols) const;

    std::int64_t blocks(std::int64_t elements) const { return (elements + block - 1) / block; }
    std::int64_t outer_blocks(std::int64_t elements) const {  // nested only
        return (blocks(elements) + nested_block - 1) / nested_block;
    }

    // Throws Error where a field is out of its range, and for no elements.
    void check(std::int64_t elements) const;
};

}  // namespace tandem
