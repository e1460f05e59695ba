#include "quant/dynamic_map.h"

#include <algorithm>
#include <cmath>

namespace tandem {

namespace {

// torch.linspace(0.1, 1, bins + 1)[i] in fp32: each half is counted from its own end, with one rounding.
float boundary(int i, int bins) {
    float step = (1.0f - 0.1f) / float(bins);
    return i < (bins + 1) / 2 ? std::fma(step, float(i), 0.1f) : std::fma(-step, float(bins - i), 1.0f);
}

DynamicMap make_map() {
    constexpr float decades[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
    DynamicMap map;
    std::size_t n = 0;
    map.value[n++] = 0.0f;
    map.value[n++] = 1.0f;
    for (int i = 0; i < 7; i++) {
        const int bins = 1 << i;
        for (int b = 0; b < bins; b++) {
            float v = decades[i] * ((boundary(b, bins) + boundary(b + 1, bins)) / 2);
            map.value[n++] = v;
            map.value[n++] = -v;
        }
    }
    std::sort(map.value.begin(), map.value.end());
    for (std::size_t k = 0; k < 255; k++) map.midpoint[k] = (map.value[k] + map.value[k + 1]) / 2;
    return map;
}

}  // namespace

const DynamicMap& signed_dynamic_map() {
    static const DynamicMap map = make_map();
    return map;
}

}  // namespace tandem
