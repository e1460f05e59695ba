#include "quant/hqq/hqq.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/hqq/solve.h"
#include "tests/quant/encoded.h"
#include "tests/quant/hqq_noise.h"
#include "tests/quant/quantized.h"
#include "tests/safetensors_lite.h"

using namespace tandem;

namespace {

constexpr int widths[] = {8, 4, 3, 2, 1};
constexpr int group_sizes[] = {16, 32, 64, 128, 256};

template <class A, class B> double mean_error(const std::vector<A>& x, const std::vector<B>& y) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); i++) sum += std::abs(double(x[i]) - double(y[i]));
    return sum / double(x.size());
}

std::vector<float> scaled(std::vector<float> x, float by) {
    for (float& v : x) v *= by;
    return x;
}

// FORMATS' solver by the letter, in double: one stop for the whole weight, scales and zeros unrounded. Returns the mean
// error. The last group may be short.
double plain_hqq_error(const std::vector<float>& w, int bits, int group) {
    const double top = (1 << bits) - 1, beta = 10, p = 0.7;
    struct Group { std::size_t begin, end; double inverse, zero, kept; };
    std::vector<Group> groups;
    for (std::size_t i = 0; i < w.size(); i += std::size_t(group)) {
        const std::size_t end = std::min(w.size(), i + std::size_t(group));
        const auto [least, most] = std::minmax_element(w.begin() + std::ptrdiff_t(i), w.begin() + std::ptrdiff_t(end));
        const double range = double(*most) - *least, inverse = range <= 1e-4 ? 1 : std::min(top / range, 2e4);
        const double zero = -*least * inverse;
        groups.push_back({i, end, inverse, bits == 4 ? std::nearbyint(zero) : zero, 0});
    }
    double best = 1e300;
    for (int iteration = 0; iteration < 20; iteration++) {
        double sum = 0;
        std::vector<double> next;
        for (const Group& g : groups) {
            double moment = 0;
            for (std::size_t i = g.begin; i < g.end; i++) {
                const double q = std::clamp(std::nearbyint(w[i] * g.inverse + g.zero), 0.0, top);
                const double d = w[i] - (q - g.zero) / g.inverse, size = std::abs(d);
                sum += size;
                const double kept = size > 0 ? std::max(0.0, size - std::pow(size, p - 1) / beta) : 0;
                moment += q - (w[i] - std::copysign(kept, d)) * g.inverse;
            }
            next.push_back(moment / double(g.end - g.begin));
        }
        if (sum >= best) break;
        best = sum;
        for (std::size_t k = 0; k < groups.size(); k++) groups[k].zero = next[k];
    }
    return best / double(w.size());
}

}  // namespace

TEST_CASE("hqq: the mean error is at most hqq's own, in every setting") {
    const SafetensorsLite golden(TANDEM_TEST_DATA "/quant/hqq.safetensors");
    const std::vector<float> w = golden.get<float>("w");
    for (int bits : {8, 4, 3, 2})
        for (const char* axis : {"axis0", "axis1"}) {
            const Encoded ours(Hqq{.bits = bits}, w);
            const auto theirs = golden.get<float>("b" + std::to_string(bits) + "." + axis + ".dequant");
            CAPTURE(bits);
            CAPTURE(axis);
            CHECK(mean_error(ours.values(), w) <= 1.001 * mean_error(theirs, w));
        }
}

TEST_CASE("hqq: the mean error is at most that of the plain solver in double, for any width, group and tail") {
    for (int bits : widths)
        for (int group : group_sizes)
            for (const auto& [n, by] : {std::pair(4096 + 8 * group, 0.02f), std::pair(5000 + 3, 1.0f),
                                        std::pair(4096, 100.0f)}) {  // the last is where errors are shrunk
                const std::vector<float> w = scaled(normal_weights(std::size_t(n), std::uint64_t(group)), by);
                CAPTURE(bits);
                CAPTURE(group);
                CAPTURE(n);
                CHECK(mean_error(Encoded(Hqq{.bits = bits, .group = group}, w).values(), w) <=
                      1.001 * plain_hqq_error(w, bits, group));
            }
}

TEST_CASE("hqq: an element is its code's distance from the zero, times the scale, for any width, axis and type") {
    for (int bits : widths)
        for (DType meta : {DType::f16, DType::bf16, DType::f32})
            for (const auto& [group, axis, rows, cols] : hqq_shapes) {
                const Hqq spec{.bits = bits, .group = group, .axis = axis, .meta = meta};
                const HqqNoise q(spec, rows, cols);
                const std::int64_t n = rows * cols;
                std::vector<float> want, got(static_cast<std::size_t>(n));
                for (std::int64_t i = 0; i < n; i++) want.push_back(q.decoded(i));
                dequantize(q.tensor, 0, n, got.data());
                CHECK(got == want);
                std::vector<bf16> half(static_cast<std::size_t>(n));
                dequantize(q.tensor, 0, n, half.data());
                for (std::size_t i = 0; i < want.size(); i++) REQUIRE(half[i].bits == bf16(want[i]).bits);
                for (std::int64_t first : {1, 7, 8, 9, 63, 64, 100})
                    for (std::int64_t count : {0, 1, 2, 8, 17, 63, 65, 130}) {
                        std::vector<float> part(std::size_t(count) + 1, 99.0f);
                        dequantize(q.tensor, first, count, part.data());
                        REQUIRE(std::equal(part.begin(), part.end() - 1, want.begin() + first));
                        REQUIRE(part.back() == 99.0f);
                    }
            }
}

TEST_CASE("hqq: codes are the nearest of what is stored, and every byte is written") {
    for (int bits : widths)
        for (int group : group_sizes)
            for (std::size_t n : {1u, 7u, 8u, 9u, 63u, 64u, 65u, 1000u, 33000u}) {
                const std::vector<float> w = normal_weights(n, n);
                const Hqq spec{.bits = bits, .group = group};
                const Encoded q(spec, w);
                REQUIRE(q.finite);
                const std::vector<float> values = q.values();
                const QuantParts parts = spec.parts(1, std::int64_t(n));
                const auto* scale = reinterpret_cast<const f16*>(q.bytes.data() + parts[1].at);
                const auto* zero = reinterpret_cast<const f16*>(q.bytes.data() + parts[2].at);
                for (std::size_t i = 0; i < n; i++) {
                    const std::size_t g = i / std::size_t(group);
                    const double s = float(scale[g]), z = float(zero[g]), least = (0 - z) * s,
                                 most = ((1 << bits) - 1 - z) * s, error = std::abs(values[i] - double(w[i]));
                    // Half a step, and the rounding of the quotient: w / s + z has an error below 2^-15 codes.
                    const double near = (0.5 + 0x1p-15) * s;
                    if (w[i] >= least && w[i] <= most) REQUIRE(error <= near);
                    else REQUIRE(error <= std::max(least - w[i], w[i] - most) + 0x1p-15 * s);
                }
                for (int p = 0; p < parts.size(); p++)
                    for (std::size_t at = parts[p].end(); at < (p < 2 ? parts[p + 1].at : parts.bytes()); at++)
                        REQUIRE(q.bytes[at] == std::byte(0));
                REQUIRE(Encoded(spec, w, 3).bytes == q.bytes);
            }
}

TEST_CASE("hqq: NaN and infinity are found, and odd groups stay finite and near") {
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()})
        for (std::size_t at : {0u, 63u, 64u, 19999u}) {
            std::vector<float> w = normal_weights(20000, 1);
            w[at] = bad;
            CHECK_FALSE(Encoded(Hqq{}, w, 2).finite);
        }
    auto largest_error = [](float middle, float spread) {
        std::vector<float> w = scaled(normal_weights(64, 3), spread);
        for (float& v : w) v += middle;
        const std::vector<float> y = Encoded(Hqq{}, w).values();
        double error = 0;
        for (std::size_t i = 0; i < w.size(); i++) error = std::max(error, std::abs(double(y[i]) - w[i]));
        return error;
    };
    CHECK(largest_error(0, 0) == 0);
    CHECK(largest_error(0.25f, 0) == 0);         // all equal: the scale is 1, the zero holds the value
    CHECK(largest_error(0, 1e-5f) < 5e-5);       // a range below 1e-4
    CHECK(largest_error(100, 1e-3f) < 0.1);      // the zero in f16: half a place of 2^-10 of the magnitude
    CHECK(largest_error(0, 1e4f) < 1e4 * 6 / 15);
    CHECK(largest_error(3e38f, 0) <= 3e38f);     // clipped, and finite
}

TEST_CASE("hqq: the solver's own arithmetic") {
    for (float d = hqq::shrinks_from; d < 0x1p17f; d *= 1.01f) {
        const double want = std::pow(double(d), -0.3) / 10;
        REQUIRE(std::abs(hqq::shrinkage(d) - want) < 1e-6 * want);
    }
    CHECK(std::pow(double(hqq::shrinks_from), 1.3) == doctest::Approx(0.1).epsilon(1e-6));
    CHECK(hqq::shrunk_moment(1, 2, 3, 0.17f) == hqq::moment(1, 2, 3));
    CHECK(hqq::shrunk_moment(1, 2, 3, 0.171f) != hqq::moment(1, 2, 3));
    for (std::uint32_t bits = 0; bits < 0xffffffffu - 4999; bits += 4999) {
        const float v = std::bit_cast<float>(bits);
        if (!std::isfinite(v)) continue;
        const float want = std::abs(v) > 65504 ? std::copysign(65504.0f, v) : float(f16(v));
        REQUIRE(hqq::round_to_f16(v) == want);
    }
}

TEST_CASE("hqq: what cannot be held or encoded is refused") {
    auto refused = [](const Hqq& spec, const char* why) {
        std::vector<std::byte> out(1 << 16);
        const std::vector<float> w(1000, 1.0f);
        ThreadPool pool(1);
        try {
            (void)quantize(spec, host_weight(w.data(), 10, 100), out.data(), pool);
            FAIL("accepted");
        } catch (const Error& e) {
            CHECK(std::string(e.what()).find(why) != std::string::npos);
        }
    };
    refused({.bits = 5}, "8, 4, 3, 2 or 1 bits, got 5");
    refused({.group = 12}, "multiple of 8");
    refused({.group = 48}, "groups of 48");
    refused({.group = 512}, "groups of 512");
    refused({.group = 8}, "groups of 8");
    refused({.group = 200, .axis = 0}, "along axis 0");
    refused({.group = 64, .axis = 0}, "a multiple of 64");
    refused({.axis = 2}, "axis 0 or 1");
    refused({.meta = DType::f32}, "in f32");
    refused({.meta = DType::u8}, "f16, bf16 or f32");
}

TEST_CASE("hqq: bytes per weight are those of its codes, and 4 for each group") {
    const double n = 1 << 24;
    for (int bits : widths)
        CHECK(double(quant_bytes(Hqq{.bits = bits}, 1, 1 << 24)) * 8 / n == doctest::Approx(bits + 0.5).epsilon(1e-3));
}
