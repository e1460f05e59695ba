#include "quant/dynamic_map.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/safetensors_lite.h"

using namespace tandem;

TEST_CASE("the dynamic map is bitsandbytes' own, bit for bit") {
    SafetensorsLite golden(TANDEM_TEST_DATA "/quant/bnb4.safetensors");
    auto equal = [](const DynamicMap& map, const std::vector<float>& want) {
        return std::equal(map.value.begin(), map.value.end(), want.begin(), want.end());
    };
    CHECK(equal(signed_dynamic_map(), golden.get<float>("dynamic_map.signed")));
    CHECK(signed_dynamic_map().value[127] == 0.0f);
}

TEST_CASE("nearest finds the nearest entry, and the lower of two") {
    const DynamicMap& map = signed_dynamic_map();
    for (int i = 0; i < 256; i++) CHECK(map.nearest(map.value[std::size_t(i)]) == i);
    for (int i = 0; i < 255; i++) {
        float middle = map.midpoint[std::size_t(i)];
        CHECK(map.nearest(middle) == i);
        CHECK(map.nearest(std::nextafter(middle, 2.0f)) == i + 1);
    }
    CHECK(map.nearest(-2.0f) == 0);
    CHECK(map.nearest(2.0f) == 255);
}
