#include "ops/gemm/range_decoder.h"
#include "quant/decode_range.h"

namespace tandem {

namespace {

template <class Decoder> struct ScalarLoop {
    static void run(const std::byte* weight, const typename Decoder::Places& at, std::int64_t begin, std::int64_t end,
                    DType dtype, void* out) {
        visit_compute(dtype, [&]<class T>() {
            decode_range<Decoder>(weight, at, begin, end, static_cast<T*>(out));
        });
    }
};

}  // namespace

RangeDecoder scalar_decoder(const QuantTensor& weight) { return RangeDecoder::of<ScalarLoop>(weight); }

}  // namespace tandem
