#include "quant/quantize.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/block4/block4_format.h"
#include "quant/block4/magnitude.h"
#include "quant/double_quant.h"
#include "quant/dynamic_map.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

constexpr std::int64_t piece = 1 << 16;  // elements of one piece of work: a multiple of every block

constexpr std::int64_t pieces(std::int64_t elements) { return (elements + piece - 1) / piece; }

struct Blocks {
    const Block4Format& format;
    const float* weight;
    std::int64_t elements, block;
    std::uint8_t* codes;
    float* absmax;
};

// Codes and absmax of every block; false if a weight is not finite.
bool quantize_blocks(const Blocks& b, ThreadPool& pool) {
    const auto& [format, weight, elements, block, codes, absmax] = b;
    std::atomic<bool> finite = true;
    pool.parallel_for(pieces(elements), [&](std::int64_t p) {
        for (std::int64_t i = p * piece; i < std::min((p + 1) * piece, elements); i += block) {
            std::int64_t n = std::min(block, elements - i);
            std::int32_t bits = max_magnitude_bits(weight + i, n);
            if (bits >= magnitude_of_infinity) finite = false;
            float largest = std::bit_cast<float>(bits), inverse = 1.0f / largest;
            absmax[i / block] = largest;
            format.encode(weight + i, n, std::isfinite(inverse) ? inverse : 0.0f, codes + i / 2);
        }
    });
    return finite;
}

}  // namespace

bool has_nonfinite(const float* weight, std::int64_t elements, ThreadPool& pool) {
    std::atomic<bool> found = false;
    pool.parallel_for(pieces(elements), [&](std::int64_t p) {
        std::int64_t n = std::min(piece, elements - p * piece);
        if (max_magnitude_bits(weight + p * piece, n) >= magnitude_of_infinity) found = true;
    });
    return found;
}

void quantize(const QuantSpec& spec, const float* weight, std::int64_t elements, std::byte* out, ThreadPool& pool) {
    const Block4Format format = block4_format(spec, elements);
    const QuantLayout at = quant_layout(spec, elements);
    const std::int64_t blocks = (elements + spec.block - 1) / spec.block;
    // The last 1024 bytes of each part hold its padding.
    for (std::size_t end : {at.absmax, at.nested_absmax, at.tables}) std::memset(out + end - 1024, 0, 1024);
    std::memset(out + at.tables, 0, at.bytes - at.tables);

    std::vector<float> plain(spec.nested ? std::size_t(blocks) : 0);
    float* absmax = spec.nested ? plain.data() : reinterpret_cast<float*>(out + at.absmax);
    std::uint8_t* codes = reinterpret_cast<std::uint8_t*>(out + at.codes);
    if (!quantize_blocks({format, weight, elements, spec.block, codes, absmax}, pool))
        throw Error("[quantize] expected finite weights, got NaN or infinity; repair the checkpoint");
    std::memcpy(out + at.tables, format.code_book.data(), sizeof format.code_book);
    if (!spec.nested) return;
    std::memcpy(out + at.tables + at.map_at, signed_dynamic_map().value.data(), sizeof(DynamicMap::value));
    double_quantize(absmax, blocks, spec.nested_block,
                    {.codes = reinterpret_cast<std::uint8_t*>(out + at.absmax),
                     .nested_absmax = reinterpret_cast<float*>(out + at.nested_absmax),
                     .offset = reinterpret_cast<float*>(out + at.tables + at.offset_at)},
                    pool);
}

}  // namespace tandem
