#include "runtime/dtype.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace tandem;

TEST_CASE("bf16 rounds to nearest even") {
    CHECK(float(bf16(1.0f + 0x1p-8f)) == 1.0f);             // a tie goes to the even neighbour
    CHECK(float(bf16(1.0f + 0x1p-7f + 0x1p-8f)) == 1.0f + 0x1p-6f);
    CHECK(float(bf16(1.0f + 0x1p-8f + 0x1p-20f)) == 1.0f + 0x1p-7f);
    CHECK(std::isinf(float(bf16(std::numeric_limits<float>::max()))));
    CHECK(std::isnan(float(bf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("every f16 survives the way to float and back") {
    for (std::uint32_t bits = 0; bits < 65536; bits++) {
        f16 h;
        h.bits = std::uint16_t(bits);
        float v = h;
        f16 again(v);
        if (std::isnan(v)) CHECK(std::isnan(float(again)));
        else CHECK(again.bits == h.bits);
    }
    CHECK(float(f16(65519.0f)) == 65504.0f);
    CHECK(std::isinf(float(f16(65520.0f))));
    CHECK(float(f16(1.0f + 0x1p-11f)) == 1.0f);
}
