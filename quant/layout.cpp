#include "quant/quant_tensor.h"

namespace tandem {

namespace {
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 1023) / 1024 * 1024; }
}  // namespace

QuantLayout quant_layout(const QuantSpec& spec, std::int64_t elements) {
    std::size_t n = std::size_t(elements), blocks = (n + std::size_t(spec.block) - 1) / std::size_t(spec.block);
    std::size_t outer = (blocks + std::size_t(spec.nested_block) - 1) / std::size_t(spec.nested_block);
    QuantLayout l;
    l.absmax = aligned((n + 1) / 2);
    l.nested_absmax = l.absmax + aligned(spec.nested ? blocks : blocks * 4);
    l.tables = l.nested_absmax + (spec.nested ? aligned(outer * 4) : 0);
    l.bytes = l.tables + aligned(spec.nested ? l.offset_at + 4 : l.map_at);
    return l;
}

QuantTensor quant_view(const QuantSpec& spec, std::int64_t rows, std::int64_t cols, const std::byte* bytes) {
    QuantLayout l = quant_layout(spec, rows * cols);
    auto at = [&]<class T>(std::size_t offset, T) { return reinterpret_cast<const T*>(bytes + offset); };
    QuantTensor q{spec, rows, cols};
    q.codes = at(l.codes, std::uint8_t{});
    q.code_book = at(l.tables, float{});
    if (!spec.nested) {
        q.absmax = at(l.absmax, float{});
        return q;
    }
    q.absmax_codes = at(l.absmax, std::uint8_t{});
    q.nested_absmax = at(l.nested_absmax, float{});
    q.nested_map = at(l.tables + l.map_at, float{});
    q.offset = at(l.tables + l.offset_at, float{});
    return q;
}

}  // namespace tandem
