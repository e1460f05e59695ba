#include "quant/noise.h"

#include <algorithm>
#include <cmath>

#include "quant/hqq/hqq.h"

namespace tandem {

// Every code as often as any other, around zero: of 2^b neighbouring numbers the variance is (4^b - 1) / 12.
void Hqq::fill_with_noise(const Noise& noise, std::int64_t elements, const QuantParts& parts, std::byte* out,
                          ThreadPool& pool) const {
    check_encoding(elements);
    random_bytes(noise.key, 0, {out + parts[0].at, parts[0].bytes()}, pool);
    const double levels = double(1 << bits);
    const f16 scale(noise.deviation / std::sqrt((levels * levels - 1) / 12)), zero((levels - 1) / 2);
    std::fill_n(reinterpret_cast<f16*>(out + parts[1].at), groups(elements), scale);
    std::fill_n(reinterpret_cast<f16*>(out + parts[2].at), groups(elements), zero);
}

}  // namespace tandem
