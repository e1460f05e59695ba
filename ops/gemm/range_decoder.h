// A quantized weight's decoder as packers call it, chosen once for a product by the format and the machine.
#pragma once
#include <cstring>
#include <type_traits>

#include "quant/formats.h"
#include "quant/host_table.h"

namespace tandem {

class RangeDecoder {
  public:
    RangeDecoder() = default;

    // `Loop<Decoder>::run(weight, places, begin, end, dtype, out)` decodes flat elements from `begin` up to `end`.
    template <template <class> class Loop> static RangeDecoder of(const QuantTensor& q) {
        RangeDecoder made;
        made.weight_ = q.bytes;
        visit_decoder<HostTable>(q, [&]<class Decoder>(const typename Decoder::Places& at) {
            using Places = typename Decoder::Places;
            static_assert(sizeof at <= sizeof made.places_ && std::is_trivially_copyable_v<Places>);
            std::memcpy(made.places_, &at, sizeof at);
            made.decode_ = [](const RangeDecoder& d, std::int64_t begin, std::int64_t end, DType dtype, void* out) {
                Places places;
                std::memcpy(&places, d.places_, sizeof places);
                Loop<Decoder>::run(d.weight_, places, begin, end, dtype, out);
            };
        });
        return made;
    }

    // Elements [begin, begin + count) of the flattened weight, rounded to `dtype`.
    void operator()(std::int64_t begin, std::int64_t count, DType dtype, void* out) const {
        decode_(*this, begin, begin + count, dtype, out);
    }

  private:
    const std::byte* weight_ = nullptr;
    std::byte places_[64];
    void (*decode_)(const RangeDecoder&, std::int64_t begin, std::int64_t end, DType, void* out) = nullptr;
};

RangeDecoder scalar_decoder(const QuantTensor& weight);
RangeDecoder avx512_decoder(const QuantTensor& weight);  // to f32 and bf16

}  // namespace tandem
