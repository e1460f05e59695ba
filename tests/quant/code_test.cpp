#include <doctest/doctest.h>

#include <cmath>

#include "quant/block4/fp4.h"
#include "quant/block4/nf4.h"

using namespace tandem;

TEST_CASE("NF4: every value has its own code, a tie takes the lower") {
    for (std::size_t k = 0; k < 16; k++) CHECK(nf4_code(nf4_code_book[k]) == int(k));
    for (std::size_t k = 0; k < 15; k++) {
        CHECK(nf4_code(nf4_midpoints[k]) == int(k));
        CHECK(nf4_code(std::nextafter(nf4_midpoints[k], 2.0f)) == int(k) + 1);
    }
    CHECK(nf4_code(-0.0f) == 7);
    CHECK(nf4_code(0.0f) == 7);
}

TEST_CASE("FP4: every value has its own code, a tie takes the smaller magnitude") {
    for (std::size_t k = 0; k < 16; k++) CHECK(fp4_code(fp4_code_book[k]) == (k == 8 ? 0 : int(k)));
    const int ascending[] = {0, 1, 6, 7, 4, 5, 2, 3};
    const float thresholds[] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f, 0.4166667f, 0.583333f, 0.8333333f};
    for (int k = 0; k < 7; k++) {
        CHECK(fp4_magnitudes[std::size_t(ascending[k])] < fp4_magnitudes[std::size_t(ascending[k + 1])]);
        CHECK(fp4_code(thresholds[k]) == ascending[k]);
        CHECK(fp4_code(-thresholds[k]) == (ascending[k] | 8));
        const float above = std::nextafter(thresholds[k], 2.0f);
        CHECK(fp4_code(above) == ascending[k + 1]);
        CHECK(fp4_code(-above) == (ascending[k + 1] | 8));
    }
    CHECK(fp4_code(-0.0f) == 0);
    CHECK(fp4_code(-1e-4f) == 8);
}
