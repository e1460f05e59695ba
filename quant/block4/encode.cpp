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
#include "quant/host_weight.h"
#include "quant/magnitude.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

struct Blocks {
    const CodeBook& book;
    const HostWeight& weight;
    std::int64_t block;
    std::uint8_t* codes;
    float* absmax;
};

// Codes and absmax of every block; false if a weight is not finite.
bool encode_blocks(const Blocks& b, ThreadPool& pool) {
    constexpr std::int64_t piece = 1 << 13;  // elements of one piece of work: a multiple of every block
    const auto& [book, weight, block, codes, absmax] = b;
    std::atomic<bool> finite = true;
    pool.parallel_for((weight.elements() + piece - 1) / piece, [&](std::int64_t p) {
        float values[piece];
        const std::int64_t begin = p * piece, end = std::min(begin + piece, weight.elements());
        weight.widen(begin, end - begin, values);
        for (std::int64_t i = begin; i < end; i += block) {
            std::int64_t n = std::min(block, end - i);
            std::int32_t bits = max_magnitude_bits(values + i - begin, n);
            if (bits >= magnitude_of_infinity) finite = false;
            float largest = std::bit_cast<float>(bits), inverse = 1.0f / largest;
            absmax[i / block] = largest;
            book.encode(values + i - begin, n, std::isfinite(inverse) ? inverse : 0.0f, codes + i / 2);
        }
    });
    return finite;
}

}  // namespace

bool Block4::encode(const HostWeight& weight, std::byte* out, ThreadPool& pool) const {
    const std::int64_t n = weight.elements();
    check(n);
    const CodeBook values = code_book(book);
    const QuantParts parts = this->parts(weight.rows, weight.cols);
    auto part = [&]<class T>(int i, T) { return reinterpret_cast<T*>(out + parts[i].at); };
    parts.clear_between(out);
    std::vector<float> plain(nested ? std::size_t(blocks(n)) : 0);
    float* absmax = nested ? plain.data() : part(1, float());
    if (!encode_blocks({values, weight, block, part(0, std::uint8_t()), absmax}, pool)) return false;
    std::memcpy(part(nested ? 3 : 2, float()), values.values.data(), sizeof values.values);
    if (!nested) return true;
    std::memcpy(part(4, float()), signed_dynamic_map().value.data(), sizeof(DynamicMap::value));
    double_quantize(absmax, blocks(n), nested_block,
                    {.codes = part(1, std::uint8_t()), .nested_absmax = part(2, float()), .offset = part(5, float())},
                    pool);
    return true;
}

}  // namespace tandem
