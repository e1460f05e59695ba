#include "runtime/rng.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

using namespace tandem;

TEST_CASE("philox gives Random123's known answers") {
    static_assert(philox({{0, 0}}, {{0, 0, 0, 0}}) == PhiloxBits{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
    constexpr std::uint32_t ones = 0xffffffff;
    CHECK(philox({{ones, ones}}, {{ones, ones, ones, ones}}) ==
          PhiloxBits{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
    CHECK(philox({{0xa4093822, 0x299f31d0}}, {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}) ==
          PhiloxBits{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

namespace {
constexpr int draws = 1 << 18;

std::vector<std::uint32_t> words() {
    std::vector<std::uint32_t> w;
    PhiloxKey key = philox_key(7, {3, 1});
    for (std::uint32_t c = 0; c < draws; c += 4)
        for (std::uint32_t word : random_bits(key, {0, 0, 0, c}).word) w.push_back(word);
    return w;
}

struct Moments {
    double mean = 0, variance = 0, fourth = 0;
};
Moments moments(const std::vector<double>& v) {
    Moments m;
    for (double x : v) m.mean += x / double(v.size());
    for (double x : v) m.variance += (x - m.mean) * (x - m.mean) / double(v.size());
    for (double x : v) m.fourth += std::pow(x - m.mean, 4) / double(v.size());
    return m;
}
}  // namespace

// Tolerances: five standard errors over n = 2^18 draws. U(0,1): sd(mean) = sqrt(1/12/n), sd(variance) = sqrt(1/180/n).
TEST_CASE("uniform numbers fill [0, 1) evenly") {
    std::vector<double> u, symmetric;
    for (std::uint32_t w : words()) {
        u.push_back(uniform(w));
        symmetric.push_back(uniform(w, 0.25f));
        REQUIRE((symmetric.back() >= -0.25 && symmetric.back() < 0.25));
    }
    Moments m = moments(u), s = moments(symmetric);
    const double n = draws;
    CHECK(std::abs(m.mean - 0.5) < 5 * std::sqrt(1 / 12.0 / n));
    CHECK(std::abs(m.variance - 1 / 12.0) < 5 * std::sqrt(1 / 180.0 / n));
    CHECK(std::abs(s.mean) < 5 * 0.5 * std::sqrt(1 / 12.0 / n));
    CHECK(std::abs(s.variance - 0.25 / 12) < 5 * 0.25 * std::sqrt(1 / 180.0 / n));
    CHECK(uniform(0) == 0.0f);
    CHECK(uniform(0xffffffff) == 1.0f - 0x1p-24f);
    CHECK(uniform(0, 0.5f) == -0.5f);
}

TEST_CASE("dropout drops with its probability") {
    CHECK(dropout_threshold(0) == 0);
    CHECK(dropout_keeps(0, dropout_threshold(0)));
    CHECK(dropout_threshold(0.5) == 0x80000000u);
    CHECK(dropout_keeps(0x80000000u, dropout_threshold(0.5)));
    CHECK_FALSE(dropout_keeps(0x7fffffffu, dropout_threshold(0.5)));
    CHECK(dropout_threshold(std::nextafter(1.0, 0.0)) == 0xffffffffu);
    const double p = 0.1;
    int dropped = 0;
    for (std::uint32_t w : words()) dropped += !dropout_keeps(w, dropout_threshold(p));
    CHECK(std::abs(dropped - p * draws) < 5 * std::sqrt(p * (1 - p) * draws));
}

TEST_CASE("no two places share their numbers") {
    std::set<std::array<std::uint32_t, 2>> keys;
    for (std::uint64_t seed = 0; seed < 4; seed++)
        for (std::uint32_t layer = 0; layer < 81; layer++)
            for (std::uint32_t module = 0; module < 8; module++) {
                PhiloxKey k = philox_key(seed, {layer, module});
                keys.insert({k.word[0], k.word[1]});
            }
    CHECK(keys.size() == 4 * 81 * 8);

    std::set<std::array<std::uint32_t, 4>> seen;
    int places = 0;
    for (RandomSite site : {RandomSite{0, 0}, RandomSite{0, 1}, RandomSite{1, 0}})
        for (std::uint32_t step : {0u, 1u, 100000u})
            for (std::uint32_t sample : {0u, 1u, 70000u})
                for (std::uint32_t position : {0u, 1u, 4095u})
                    for (std::uint32_t column : {0u, 4u, 28668u}) {
                        PhiloxBits b = random_bits(philox_key(1, site), {step, sample, position, column});
                        seen.insert({b[0], b[1], b[2], b[3]});
                        places++;
                    }
    CHECK(seen.size() == std::size_t(places));
    CHECK(random_bits({{1, 2}}, {3, 4, 5, 8}) == random_bits({{1, 2}}, {3, 4, 5, 11}));
}

// Masks of two sites, samples or steps agree in about half of their bits (p = 1/2): within five standard deviations.
TEST_CASE("masks of different sites, samples and steps are independent") {
    const int n = 1 << 16;
    auto agreement = [&](RandomSite a, RandomPlace pa, RandomSite b, RandomPlace pb) {
        int same = 0;
        for (std::uint32_t c = 0; c < n; c += 4) {
            pa.column = pb.column = c;
            PhiloxBits x = random_bits(philox_key(1, a), pa), y = random_bits(philox_key(1, b), pb);
            for (int i = 0; i < 4; i++) same += dropout_keeps(x[i], 0x80000000u) == dropout_keeps(y[i], 0x80000000u);
        }
        return std::abs(same - n / 2) / std::sqrt(n / 4.0);
    };
    CHECK(agreement({0, 0}, {}, {0, 1}, {}) < 5);
    CHECK(agreement({0, 0}, {}, {1, 0}, {}) < 5);
    CHECK(agreement({0, 0}, {}, {0, 0}, {0, 1, 0, 0}) < 5);
    CHECK(agreement({0, 0}, {}, {0, 0}, {1, 0, 0, 0}) < 5);
    CHECK(agreement({0, 0}, {}, {0, 0}, {0, 0, 1, 0}) < 5);
}
