#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/block4/block4.h"
#include "quant/block4/code_book.h"
#include "quant/block4/double_quant.h"
#include "quant/dynamic_map.h"
#include "quant/magnitude.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

struct Blocks {
    const CodeBook& book;
    const float* weight;
    std::int64_t elements, block;
    std::uint8_t* codes;
    float* absmax;
};

// Codes and absmax of every block; false if a weight is not finite.
bool encode_blocks(const Blocks& b, ThreadPool& pool) {
    constexpr std::int64_t piece = 1 << 16;  // elements of one piece of work: a multiple of every block
    const auto& [book, weight, elements, block, codes, absmax] = b;
    std::atomic<bool> finite = true;
    pool.parallel_for((elements + piece - 1) / piece, [&](std::int64_t p) {
        for (std::int64_t i = p * piece; i < std::min((p + 1) * piece, elements); i += block) {
            std::int64_t n = std::min(block, elements - i);
            std::int32_t bits = max_magnitude_bits(weight + i, n);
            if (bits >= magnitude_of_infinity) finite = false;
            float largest = std::bit_cast<float>(bits), inverse = 1.0f / largest;
            absmax[i / block] = largest;
            book.encode(weight + i, n, std::isfinite(inverse) ? inverse : 0.0f, codes + i / 2);
        }
    });
    return finite;
}

}  // namespace

bool Block4::encode(const float* weight, std::int64_t rows, std::int64_t cols, std::byte* out,
                    ThreadPool& pool) const {
    const std::int64_t n = rows * cols;
    check(n);
    const CodeBook values = code_book(book);
    const QuantParts parts = this->parts(rows, cols);
    auto part = [&]<class T>(int i, T) { return reinterpret_cast<T*>(out + parts[i].at); };
    parts.clear_between(out);
    std::vector<float> plain(nested ? std::size_t(blocks(n)) : 0);
    float* absmax = nested ? plain.data() : part(1, float());
    if (!encode_blocks({values, weight, n, block, part(0, std::uint8_t()), absmax}, pool)) return false;
    std::memcpy(part(nested ? 3 : 2, float()), values.values.data(), sizeof values.values);
    if (!nested) return true;
    std::memcpy(part(4, float()), signed_dynamic_map().value.data(), sizeof(DynamicMap::value));
    double_quantize(absmax, blocks(n), nested_block,
                    {.codes = part(1, std::uint8_t()), .nested_absmax = part(2, float()), .offset = part(5, float())},
                    pool);
    return true;
}

}  // namespace tandem
