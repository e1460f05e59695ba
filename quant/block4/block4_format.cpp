#include "quant/block4/block4_format.h"

#include <fmt/core.h>

#include <bit>

#include "quant/fp4/fp4.h"
#include "quant/nf4/nf4.h"

namespace tandem {

Block4Format block4_format(const QuantSpec& spec, std::int64_t elements) {
    if (spec.format != WeightFormat::nf4 && spec.format != WeightFormat::fp4)
        throw Error(fmt::format("[quantize] expected nf4 or fp4, got format number {}", int(spec.format)));
    if (spec.block < 32 || spec.block > 4096 || !std::has_single_bit(unsigned(spec.block)))
        throw Error(
            fmt::format("[quantize] expected a block that is a power of two from 32 to 4096, got {}", spec.block));
    if (spec.nested && spec.nested_block < 1)
        throw Error(fmt::format("[quantize] expected a nested block of at least 1, got {}", spec.nested_block));
    if (elements < 1) throw Error(fmt::format("[quantize] expected at least one element, got {}", elements));
    return spec.format == WeightFormat::nf4 ? Block4Format{nf4_code_book, nf4_encode}
                                            : Block4Format{fp4_code_book, fp4_encode};
}

}  // namespace tandem
