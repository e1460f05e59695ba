#include "quant/hqq/hqq.h"

#include <fmt/core.h>

#include <bit>

#include "quant/hqq/solve.h"
#include "runtime/error.h"

namespace tandem {

QuantParts Hqq::parts(std::int64_t rows, std::int64_t cols) const {
    const std::int64_t n = rows * cols;
    QuantParts p;
    return p.add("codes", DType::u8, (n + 7) / 8 * bits).add("scale", meta, groups(n)).add("zero", meta, groups(n));
}

HqqPlaces Hqq::places(std::int64_t rows, std::int64_t cols) const {
    const QuantParts p = parts(rows, cols);
    const int log2 = std::has_single_bit(unsigned(group)) ? std::countr_zero(unsigned(group)) : -1;
    return {p[1].at, p[2].at, meta, group, log2, std::uint32_t(groups(rows * cols))};
}

void Hqq::check(std::int64_t elements) const {
    if (bits != 8 && bits != 4 && bits != 3 && bits != 2 && bits != 1)
        throw Error(fmt::format("[hqq] expected 8, 4, 3, 2 or 1 bits, got {}", bits));
    if (group < 8 || group % 8 != 0)
        throw Error(fmt::format("[hqq] expected groups of a multiple of 8, got {}", group));
    if (axis != 0 && axis != 1) throw Error(fmt::format("[hqq] expected axis 0 or 1, got {}", axis));
    if (meta != DType::f16 && meta != DType::bf16 && meta != DType::f32)
        throw Error(fmt::format("[hqq] expected scales in f16, bf16 or f32, got {}", name_of(meta)));
    if (elements < 1) throw Error(fmt::format("[hqq] expected at least one element, got {}", elements));
    if (axis == 0 && elements % group != 0)
        throw Error(fmt::format("[hqq] expected a multiple of {} elements along axis 0, got {}", group, elements));
    if (elements > std::int64_t(INT32_MAX) * group)
        throw Error(fmt::format("[hqq] {} elements in groups of {} are too many", elements, group));
}

void Hqq::check_encoding(std::int64_t elements) const {
    check(elements);
    const bool group_fits = group >= 16 && group <= hqq::largest_group && std::has_single_bit(unsigned(group));
    if (axis != 1 || meta != DType::f16 || !group_fits)
        throw Error(fmt::format("[hqq] expected to quantize in groups of 16, 32, 64, 128 or 256 along axis 1 with "
                                "scales in f16, got groups of {} along axis {} in {}",
                                group, axis, name_of(meta)));
}

}  // namespace tandem
