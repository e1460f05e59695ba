// The weight formats: each is a folder here, described by the struct of its name, and this is the only list of them.
// A format says what a weight consists of (parts), encodes fp32 weights on the host and on a card, and gives the types
// of its decoders; see quant/README.md. Everything else visits the list.
#pragma once
#include <string_view>
#include <variant>

#include "quant/block4/block4.h"
#include "quant/hqq/hqq.h"

namespace tandem {

struct CudaDevice;

using QuantSpec = std::variant<Block4, Hqq>;

inline std::string_view name_of(const QuantSpec& spec) {
    return std::visit([](const auto& format) { return format.name(); }, spec);
}

// Of a weight [rows, cols].
inline QuantParts quant_parts(const QuantSpec& spec, std::int64_t rows, std::int64_t cols) {
    return std::visit([&](const auto& format) { return format.parts(rows, cols); }, spec);
}
inline std::size_t quant_bytes(const QuantSpec& spec, std::int64_t rows, std::int64_t cols) {
    return quant_parts(spec, rows, cols).bytes();
}

// A weight [rows, cols] in a unit's frozen bytes.
struct QuantTensor {
    QuantSpec spec;
    std::int64_t rows = 0, cols = 0;
    const std::byte* bytes = nullptr;  // [quant_bytes(spec, rows, cols)], the first at a multiple of 256
};

// Calls f.operator()<Decoder>(places): the weight's decoder is made by Decoder(bytes, places). Table: where a table of
// sixteen floats is looked up, HostTable (quant/host_table.h) or WarpTable (quant/warp_table.cuh).
template <class Table, class F> void visit_decoder(const QuantTensor& q, F&& f) {
    std::visit([&](const auto& format) { format.template visit_decoder<Table>(q.rows, q.cols, f); }, q.spec);
}

}  // namespace tandem
