#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "quant/host_table.h"
#include "tests/quant/quantized.h"

using namespace tandem;

TEST_CASE("any range dequantizes to its slice of the whole") {
    const std::vector<float> x = normal_weights(301, 1);
    for (bool nested : {false, true}) {
        Quantized q({.nested = nested}, x);
        const std::vector<float> whole = q.values();
        for (std::int64_t first : {0, 1, 62, 63, 64, 65, 127, 299, 300, 301})
            for (std::int64_t count : {0, 1, 2, 3, 63, 64, 65, 130, 301}) {
                if (first + count > 301) continue;
                std::vector<float> part(std::size_t(count) + 1, 99.0f);
                dequantize(q.tensor, first, count, part.data());
                CHECK(std::equal(part.begin(), part.end() - 1, whole.begin() + first));
                CHECK(part.back() == 99.0f);
            }
        float out[4];
        CHECK_THROWS_AS(dequantize(q.tensor, -1, 2, out), Error);
        CHECK_THROWS_AS(dequantize(q.tensor, 0, -1, out), Error);
        CHECK_THROWS_AS(dequantize(q.tensor, 299, 3, out), Error);
    }
}

TEST_CASE("double holds the fp32 value, bf16 rounds it once") {
    const std::vector<float> x = normal_weights(5000, 2);
    Quantized q({}, x);
    const std::vector<float> y = q.values();
    const std::vector<double> d = q.values<double>();
    const std::vector<bf16> h = q.values<bf16>();
    for (std::size_t i = 0; i < y.size(); i++) {
        REQUIRE(d[i] == double(y[i]));
        REQUIRE(h[i].bits == bf16(y[i]).bits);
    }
}

TEST_CASE("a second-level absmax is rounded twice") {
    const std::vector<float> x = normal_weights(64 * 1000, 3);
    Quantized q({}, x);
    const Block4Places at = Block4().places(1, 64 * 1000);
    const auto absmax_of = [&](std::int64_t block) {
        using Decoder = Block4Decoder<true, HostTable>;
        return Decoder(q.bytes.data(), at).scale(Decoder::load(q.bytes.data(), at, std::uint32_t(block)));
    };
    int fused_differs = 0;
    for (std::int64_t b = 0; b < 1000; b++) {
        const float code = q.view.nested_map[q.view.absmax_codes[b]], scale = q.view.nested_absmax[b / 256];
        // In double the product of two floats is exact, so this cast is the first rounding; nothing can fuse the sum.
        const float product = float(double(code) * double(scale));
        const float want = float(double(product) + double(*q.view.offset));
        CHECK(absmax_of(b) == want);
        fused_differs += want != std::fma(code, scale, *q.view.offset);
    }
    CHECK(fused_differs > 0);
}

TEST_CASE("parts start at multiples of 1024 bytes, in order, with room for their elements") {
    for (std::int64_t n : {1, 2, 2047, 2048, 2049, 1 << 20})
        for (bool nested : {false, true}) {
            const QuantParts parts = Block4{.nested = nested}.parts(1, n);
            const std::size_t blocks = std::size_t(n + 63) / 64;
            CHECK(parts.bytes() % 1024 == 0);
            CHECK(parts.bytes() >= parts[parts.size() - 1].end());
            CHECK(parts[0].at == 0);
            CHECK(parts[0].bytes() == std::size_t(n + 1) / 2);
            CHECK(parts[1].bytes() == blocks * (nested ? 1 : 4));
            if (nested) CHECK(parts[2].bytes() == (blocks + 255) / 256 * 4);
            for (int i = 1; i < parts.size(); i++) {
                CHECK(parts[i].at >= parts[i - 1].end());
                const bool table = std::string_view(parts[i].name).find("nested_quant_map") == 0 ||
                                   std::string_view(parts[i].name) == "nested_offset";
                if (table) CHECK(parts[i].at == parts[i - 1].end());
                else CHECK(parts[i].at % 1024 == 0);
            }
            const Block4Places at = Block4{.nested = nested}.places(1, n);
            CHECK(at.absmax == parts[1].at);
            CHECK(at.tables == parts[nested ? 3 : 2].at);
            if (!nested) continue;
            CHECK(at.nested_absmax == parts[2].at);
            CHECK(at.tables + Block4Places::map == parts[4].at);
            CHECK(at.tables + Block4Places::offset == parts[5].at);
        }
    // The cost of FORMATS: 4.127 bits per weight with double quantization, 4.5 without; padding adds below 4 KiB.
    const double n = 1 << 26;
    CHECK(double(quant_bytes(Block4(), 1, 1 << 26)) * 8 / n == doctest::Approx(4.127).epsilon(1e-3));
    CHECK(double(quant_bytes(Block4{.nested = false}, 1, 1 << 26)) * 8 / n == doctest::Approx(4.5).epsilon(1e-3));
}
