#include "quant/quantize.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>

#include "quant/decode_range.h"
#include "quant/magnitude.h"
#include "runtime/error.h"
#include "runtime/thread_pool.h"

namespace tandem {

bool has_nonfinite(const float* weight, std::int64_t elements, ThreadPool& pool) {
    constexpr std::int64_t piece = 1 << 16;
    std::atomic<bool> found = false;
    pool.parallel_for((elements + piece - 1) / piece, [&](std::int64_t p) {
        std::int64_t n = std::min(piece, elements - p * piece);
        if (max_magnitude_bits(weight + p * piece, n) >= magnitude_of_infinity) found = true;
    });
    return found;
}

bool quantize(const QuantSpec& spec, const HostWeight& weight, std::byte* out, ThreadPool& pool) {
    return std::visit([&](const auto& format) { return format.encode(weight, out, pool); }, spec);
}

void fill_with_noise(const QuantSpec& spec, const Noise& noise, std::int64_t rows, std::int64_t cols, std::byte* out,
                     ThreadPool& pool) {
    const QuantParts parts = quant_parts(spec, rows, cols);
    parts.clear_between(out);
    std::visit([&](const auto& format) { format.fill_with_noise(noise, rows * cols, parts, out, pool); }, spec);
}

template <class T> void dequantize(const QuantTensor& q, std::int64_t first, std::int64_t count, T* out) {
    const std::int64_t end = first + count, elements = q.rows * q.cols;
    if (first < 0 || count < 0 || end > elements)
        throw Error(
            fmt::format("[dequantize] expected a range inside {} elements, got {} from {}", elements, count, first));
    visit_decoder<HostTable>(q, [&]<class Decoder>(const typename Decoder::Places& at) {
        decode_range<Decoder>(q.bytes, at, first, end, out);
    });
}

template void dequantize<double>(const QuantTensor&, std::int64_t, std::int64_t, double*);
template void dequantize<float>(const QuantTensor&, std::int64_t, std::int64_t, float*);
template void dequantize<bf16>(const QuantTensor&, std::int64_t, std::int64_t, bf16*);

}  // namespace tandem
