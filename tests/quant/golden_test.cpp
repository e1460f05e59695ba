#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "quant/dynamic_map.h"
#include "tests/quant/quantized.h"
#include "tests/safetensors_lite.h"

using namespace tandem;

namespace {

const SafetensorsLite& golden() {
    static const SafetensorsLite file(TANDEM_TEST_DATA "/quant/bnb4.safetensors");
    return file;
}

const char* const inputs[] = {"normal", "straddle", "odd", "zero_block", "wide", "outlier"};

std::int64_t ulps(float a, float b) {
    return std::abs(std::int64_t(std::bit_cast<std::int32_t>(a)) - std::bit_cast<std::int32_t>(b));
}

std::uint8_t without_negative_zero(std::uint8_t pair) {
    if (pair >> 4 == 8) pair &= 0x0f;
    return (pair & 15) == 8 ? std::uint8_t(pair & 0xf0) : pair;
}

// bitsandbytes gives the sign of a value that FP4 rounds to zero otherwise: there, and only there, 8 is 0.
std::size_t different_codes(const Quantized& q, const std::vector<std::uint8_t>& want) {
    const bool fp4 = name_of(q.tensor.spec) == "fp4";
    std::size_t different = 0;
    for (std::size_t i = 0; i < want.size(); i++) {
        const std::uint8_t got = q.view.codes[i];
        different += fp4 ? without_negative_zero(got) != without_negative_zero(want[i]) : got != want[i];
    }
    return different;
}

}  // namespace

TEST_CASE("codes, absmax and values equal bitsandbytes'") {
    for (const std::string input : inputs)
        for (Block4::Book format : {Block4::Book::nf4, Block4::Book::fp4})
            for (int block : {64, 128}) {
                const std::string name =
                    input + (format == Block4::Book::nf4 ? ".nf4.b" : ".fp4.b") + std::to_string(block) + ".";
                CAPTURE(name);
                const std::vector<float> x = golden().get<float>(input + ".x");
                Quantized q({.book = format, .nested = false, .block = block}, x);
                const auto packed = golden().get<std::uint8_t>(name + "packed");
                const auto absmax = golden().get<float>(name + "absmax");
                REQUIRE(packed.size() == (x.size() + 1) / 2);
                CHECK(different_codes(q, packed) == 0);
                CHECK(std::equal(absmax.begin(), absmax.end(), q.view.absmax));
                CHECK(q.values() == golden().get<float>(name + "dequant"));
            }
}

TEST_CASE("double quantization equals the reference") {
    for (const std::string input : inputs) {
        const std::string name = input + ".nf4.double.";
        CAPTURE(name);
        const std::vector<float> x = golden().get<float>(input + ".x");
        Quantized q({}, x);
        const auto codes = golden().get<std::uint8_t>(name + "absmax");
        const auto nested = golden().get<float>(name + "nested_absmax");
        const float offset = golden().get<float>(name + "offset")[0];
        CHECK(different_codes(q, golden().get<std::uint8_t>(name + "packed")) == 0);

        // Sums of absmax in another order: 2 units in the last place, as golden/README.md allows.
        CHECK(ulps(*q.view.offset, offset) <= 2);
        for (std::size_t i = 0; i < nested.size(); i++) CHECK(ulps(q.view.nested_absmax[i], nested[i]) <= 2);

        const auto absmax = golden().get<float>(input + ".nf4.b64.absmax");
        REQUIRE(codes.size() == absmax.size());
        for (std::size_t i = 0; i < codes.size(); i++) {
            const int got = q.view.absmax_codes[i], want = codes[i];
            if (got == want) continue;
            const float middle = signed_dynamic_map().midpoint[std::size_t(std::min(got, want))];
            CHECK(std::abs(got - want) == 1);
            CHECK(std::abs((absmax[i] - offset) / nested[i / 256] - middle) <= 4e-5f);
        }

        // Values are exact functions of the parts: with the reference's own parts they are equal.
        auto put = [&](const void* part, const void* from, std::size_t bytes) {
            std::memcpy(q.bytes.data() + (static_cast<const std::byte*>(part) - q.bytes.data()), from, bytes);
        };
        put(q.view.absmax_codes, codes.data(), codes.size());
        put(q.view.nested_absmax, nested.data(), nested.size() * sizeof(float));
        put(q.view.offset, &offset, sizeof offset);
        CHECK(q.values() == golden().get<float>(name + "dequant"));
    }
}
