#include "quant/noise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/block4/block4.h"
#include "quant/block4/code_book.h"
#include "quant/dynamic_map.h"

namespace tandem {

// Every code as often as any other, so the values' deviation is the code book's, times the absmax. Nested absmax vary
// by an eighth of their mean.
void Block4::fill_with_noise(const Noise& noise, std::int64_t elements, const QuantParts& parts, std::byte* out,
                             ThreadPool& pool) const {
    check(elements);
    auto floats = [&](int i) { return reinterpret_cast<float*>(out + parts[i].at); };
    auto randomise = [&](int i) {
        random_bytes(noise.key, std::uint32_t(i), {out + parts[i].at, parts[i].bytes()}, pool);
    };
    const std::array<float, 16>& values = code_book(book).values;
    double squares = 0;
    for (float v : values) squares += double(v) * v;
    const float absmax = noise.deviation / float(std::sqrt(squares / double(values.size())));
    randomise(0);
    std::memcpy(floats(nested ? 3 : 2), values.data(), sizeof values);
    if (!nested) {
        std::fill_n(floats(1), blocks(elements), absmax);
        return;
    }
    randomise(1);
    std::fill_n(floats(2), outer_blocks(elements), absmax / 8);
    std::memcpy(floats(4), signed_dynamic_map().value.data(), sizeof(DynamicMap::value));
    *floats(5) = absmax;
}

}  // namespace tandem
