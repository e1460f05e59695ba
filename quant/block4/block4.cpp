#include "quant/block4/block4.h"

#include <fmt/core.h>

#include <bit>

#include "runtime/error.h"

namespace tandem {

QuantParts Block4::parts(std::int64_t rows, std::int64_t cols) const {
    const std::int64_t n = rows * cols;
    QuantParts p;
    p.add("codes", DType::u8, (n + 1) / 2);
    p.add("absmax", nested ? DType::u8 : DType::f32, blocks(n));
    if (nested) p.add("nested_absmax", DType::f32, outer_blocks(n));
    p.add("quant_map", DType::f32, 16);
    if (nested) p.join("nested_quant_map", DType::f32, 256).join("nested_offset", DType::f32, 1);
    return p;
}

Block4Places Block4::places(std::int64_t rows, std::int64_t cols) const {
    const QuantParts p = parts(rows, cols);
    auto log2 = [](int n) { return std::has_single_bit(unsigned(n)) ? std::countr_zero(unsigned(n)) : -1; };
    return {p[1].at, nested ? p[2].at : 0, p[nested ? 3 : 2].at, log2(block), nested_block, log2(nested_block)};
}

void Block4::check(std::int64_t elements) const {
    if (book != Book::nf4 && book != Book::fp4)
        throw Error(fmt::format("[quantize] expected nf4 or fp4, got code book number {}", int(book)));
    if (block < 32 || block > 4096 || !std::has_single_bit(unsigned(block)))
        throw Error(fmt::format("[quantize] expected a block that is a power of two from 32 to 4096, got {}", block));
    if (nested && nested_block < 1)
        throw Error(fmt::format("[quantize] expected a nested block of at least 1, got {}", nested_block));
    if (elements < 1) throw Error(fmt::format("[quantize] expected at least one element, got {}", elements));
}

}  // namespace tandem
