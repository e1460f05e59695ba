// A weight quantized for a test, and the bytes it lives in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/quantize.h"
#include "runtime/rng.h"
#include "runtime/thread_pool.h"

namespace tandem {

struct Quantized {
    std::vector<std::byte> bytes;
    QuantTensor view;

    Quantized(const QuantSpec& spec, const std::vector<float>& x, int threads = 1) {
        const auto n = std::int64_t(x.size());
        bytes.assign(quant_layout(spec, n).bytes, std::byte(0xa5));  // what quantize leaves unwritten shows
        ThreadPool pool(threads);
        quantize(spec, x.data(), n, bytes.data(), pool);
        view = quant_view(spec, 1, n, bytes.data());
    }
    Quantized(const Quantized&) = delete;

    template <class T = float> std::vector<T> values() const {
        std::vector<T> out(std::size_t(view.rows * view.cols));
        dequantize(view, 0, view.rows * view.cols, out.data());
        return out;
    }
};

inline std::vector<float> normal_weights(std::size_t n, std::uint64_t seed) {
    std::vector<float> x;
    for (std::uint32_t c = 0; x.size() < n; c += 4) {
        Normal4 v = normal(random_bits(philox_key(seed, {0, 0}), {0, 0, 0, c}));
        x.insert(x.end(), v.value, v.value + 4);
    }
    x.resize(n);
    return x;
}

}  // namespace tandem
