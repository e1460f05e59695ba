// A weight in any format, and the bytes it lives in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/quantize.h"
#include "runtime/thread_pool.h"

namespace tandem {

struct Encoded {
    std::vector<std::byte> bytes;
    bool finite;
    QuantTensor tensor;

    Encoded(const QuantSpec& spec, const std::vector<float>& x, int threads = 1)
        : bytes(quant_bytes(spec, 1, std::int64_t(x.size())), std::byte(0xa5)),  // what stays unwritten shows
          finite(encode(spec, x, threads)), tensor{spec, 1, std::int64_t(x.size()), bytes.data()} {}
    Encoded(const Encoded&) = delete;

    template <class T = float> std::vector<T> values() const {
        std::vector<T> out(std::size_t(tensor.cols));
        dequantize(tensor, 0, tensor.cols, out.data());
        return out;
    }

  private:
    bool encode(const QuantSpec& spec, const std::vector<float>& x, int threads) {
        ThreadPool pool(threads);
        return quantize(spec, host_weight(x.data(), 1, std::int64_t(x.size())), bytes.data(), pool);
    }
};

}  // namespace tandem
