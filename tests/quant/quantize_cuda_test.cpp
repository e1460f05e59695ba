#include "quant/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "quant/block4/double_quant.h"
#include "quant/dynamic_map.h"
#include "quant/block4/fp4.h"
#include "quant/block4/nf4.h"
#include "runtime/cuda/tile_ahead.h"
#include "tests/quant/encoded.h"
#include "tests/quant/quantized.h"
#include "tests/support/test_rank.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr Block4::Book formats[] = {Block4::Book::nf4, Block4::Book::fp4};

template <class T> std::vector<T> stored_as(const std::vector<float>& x) {
    std::vector<T> v(x.size());
    std::transform(x.begin(), x.end(), v.begin(), [](float e) { return T(e); });
    return v;
}

struct OnCard {
    bool finite = false;
    std::vector<std::byte> bytes;
};

// By way of the card's scratch and tiles, whose bytes are no zeros.
template <class T, class Format>
OnCard quantize_on_card(TestRank& rank, const Format& spec, const std::vector<T>& x) {
    OnCard result{false, std::vector<std::byte>(quant_bytes(spec, 1, std::int64_t(x.size())), std::byte(0x5a))};
    const std::int64_t n = std::int64_t(x.size());
    rank.ctx.run({"test", {}, {}, {}}, [&](const auto& device) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(device)>, CudaDevice>) {
            REQUIRE(fits_on_card(device, spec, 1, n));
            const std::vector<std::byte> other(result.bytes.size() + spec.card_workspace(1, n), std::byte(0xa5));
            rank.ctx.load(device.tiles->memory().data(), other);
            result.finite = quantize(device, spec, {std::as_bytes(std::span(x)), dtype_of<T>, 1, n}, result.bytes);
        }
    });
    return result;
}

void check_bytes(const OnCard& got, const std::vector<std::byte>& want) {
    REQUIRE(got.finite);
    const auto differs = std::mismatch(got.bytes.begin(), got.bytes.end(), want.begin(), want.end());
    CHECK(differs.first - got.bytes.begin() == std::ptrdiff_t(want.size()));
}

template <class T> void check_equal(TestRank& rank, const Block4& spec, const std::vector<float>& x) {
    INFO(std::string(spec.name()), " nested ", spec.nested, " block ", spec.block, " of ", spec.nested_block, ", ",
         x.size(), " ", name_of(dtype_of<T>));
    const std::vector<T> stored = stored_as<T>(x);
    const OnCard got = quantize_on_card(rank, spec, stored);
    check_bytes(got, Quantized(spec, std::vector<float>(stored.begin(), stored.end())).bytes);
}

template <class T> void check_equal(TestRank& rank, const Hqq& spec, const std::vector<float>& x) {
    INFO(spec.bits, " bits in groups of ", spec.group, ", ", x.size(), " ", name_of(dtype_of<T>));
    const std::vector<T> stored = stored_as<T>(x);
    check_bytes(quantize_on_card(rank, spec, stored),
                Encoded(spec, std::vector<float>(stored.begin(), stored.end())).bytes);
}

// Blocks of 32 whose values, divided by their absmax, are thresholds and their neighbours.
std::vector<float> ties() {
    std::vector<float> x;
    auto add = [&](float v, float absmax) {
        if (x.size() % 32 == 0) x.push_back(absmax);
        for (float e : {std::nextafter(v, -2.0f), v, std::nextafter(v, 2.0f)})
            for (float sign : {1.0f, -1.0f}) {
                if (x.size() % 32 == 0) x.push_back(absmax);
                x.push_back(sign * e * absmax);
            }
    };
    for (float absmax : {1.0f, 0x1p-20f, 0x1p20f}) {  // powers of two: the quotient is exact
        for (float v : nf4_midpoints) add(v, absmax);
        for (float v : nf4_code_book) add(v, absmax);
        for (float v : fp4_thresholds) add(v, absmax);
        for (float v : fp4_code_book) add(v, absmax);
        while (x.size() % 32) x.push_back(0);
    }
    return x;
}

// Blocks of 32 with these absmax.
std::vector<float> blocks_with(const std::vector<float>& absmax) {
    std::vector<float> x(32 * absmax.size());
    for (std::size_t i = 0; i < absmax.size(); i++) x[32 * i] = absmax[i];
    return x;
}

// Absmax whose mean is 1 and whose deviations, divided by the largest of four, are midpoints of the map.
std::vector<float> nested_ties() {
    std::vector<float> absmax;
    for (float midpoint : signed_dynamic_map().midpoint)
        for (float largest = 0x1p23f; midpoint < -1e-2f && largest > 0x1p22f; largest--) {
            const float deviation = std::round(-midpoint * largest);  // units of 2^-23, so that 1 + deviation is exact
            if (-deviation / largest != midpoint) continue;
            for (float d : {largest, deviation}) absmax.insert(absmax.end(), {1 - d * 0x1p-23f, 1 + d * 0x1p-23f});
            break;
        }
    REQUIRE(absmax.size() > 100);
    return absmax;
}

// Two pieces of absmax whose exact mean is so near the middle of two floats that the order of additions decides.
std::vector<float> undecided_mean(std::uint64_t seed) {
    std::vector<float> absmax(2 * AbsmaxSum::piece, 1.0f);
    absmax[1] += 0x1p-11f;  // the mean is then 1 + 2^-24
    for (std::uint32_t i = 0; i < 16; i++) {
        const PhiloxBits bits = random_bits(philox_key(seed, {0, 0}), {0, 0, 0, 4 * i});
        float& x = absmax[2 + bits[0] % (absmax.size() - 2)];
        absmax[0] += x;
        x = 0x1p-43f * (0.5f + float(bits[1]) * 0x1p-32f);  // together about the sum's last place, 2^-39
    }
    return absmax;
}

}  // namespace

TEST_CASE("a card quantizes to the CPU's bytes: any format, block and size") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    for (Block4::Book format : formats)
        for (bool nested : {false, true}) {
            for (int block : {32, 64, 128, 256, 512, 1024, 2048, 4096}) {
                const Block4 spec{.book = format, .nested = nested, .block = block};
                check_equal<bf16>(rank, spec, normal_weights(3 * 4096 + 77, std::uint64_t(block)));
                check_equal<f16>(rank, spec, normal_weights(std::size_t(block) + 1, 1));
                check_equal<float>(rank, spec, normal_weights(2 * std::size_t(block), 2));
            }
            for (std::size_t n : {1, 2, 7, 8, 9, 31, 33, 63, 65, 2047, 2048, 2049, 4095, 4097}) {
                check_equal<bf16>(rank, Block4{.book = format, .nested = nested}, normal_weights(n, n));
                check_equal<float>(rank, Block4{.book = format, .nested = nested, .block = 32}, normal_weights(n, n));
            }
        }
    for (int nested_block : {1, 3, 64, 1000})
        check_equal<bf16>(rank, Block4{.block = 32, .nested_block = nested_block}, normal_weights(40001, 3));
}

TEST_CASE("a card adds absmax in the CPU's order") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    int other_in_order = 0;
    for (std::uint64_t seed = 0; seed < 16; seed++) {
        const std::vector<float> absmax = undecided_mean(seed), x = blocks_with(absmax);
        const Block4 spec{.block = 32};
        check_equal<float>(rank, spec, x);
        const double sum = std::accumulate(absmax.begin(), absmax.end(), 0.0);
        other_in_order += float(sum / double(absmax.size())) != *Quantized(spec, x).view.offset;
    }
    CHECK(other_in_order > 0);
    check_equal<float>(rank, Block4{.block = 32}, normal_weights(2 * 32 * std::size_t(AbsmaxSum::piece) + 1285, 7));
}

TEST_CASE("a card takes ties, zeros and the smallest and largest blocks as the CPU does") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    check_equal<float>(rank, Block4{.block = 32, .nested_block = 4}, blocks_with(nested_ties()));
    for (Block4::Book format : formats) {
        for (bool nested : {false, true}) {
            const Block4 spec{.book = format, .nested = nested, .block = 32};
            check_equal<float>(rank, spec, ties());
            check_equal<float>(rank, spec, std::vector<float>(5000, 0.0f));
            check_equal<bf16>(rank, Block4{.book = format, .nested = nested, .block = 4096},
                              std::vector<float>(5000, -0.0f));
        }
        std::vector<float> x = normal_weights(64 * 300, 9);
        for (std::size_t block = 0; block < 300; block++) {
            // From absmax below 2^-128, whose inverse is no number, up to those whose inverse is subnormal.
            const float scale = std::ldexp(1.0f, int(block) - 152), most = std::numeric_limits<float>::max();
            for (std::size_t i = 64 * block; i < 64 * (block + 1); i++) x[i] = std::clamp(x[i] * scale, -most, most);
        }
        for (bool nested : {false, true}) {
            check_equal<float>(rank, Block4{.book = format, .nested = nested}, x);
            check_equal<bf16>(rank, Block4{.book = format, .nested = nested}, normal_weights(6400, 10));
        }
        std::vector<float> small = normal_weights(6400, 11);
        for (float& e : small) e *= 0x1p-20f;  // subnormal in f16
        check_equal<f16>(rank, Block4{.book = format}, small);
    }
}

// Scratch holds 2^22 elements of f32.
TEST_CASE("a tensor larger than the scratch goes to the card in pieces") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    std::vector<float> x(std::size_t(CudaDevice::scratch_bytes / sizeof(float)) + 4097);
    const std::vector<float> part = normal_weights(10007, 12);
    for (std::size_t i = 0; i < x.size(); i++) x[i] = part[i % part.size()];
    check_equal<float>(rank, Block4{}, x);
}

TEST_CASE("a card finds NaN and infinity") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> x = normal_weights(70001, 4);
    for (bool nested : {false, true})
        for (float bad : {infinity, -infinity, std::nanf(""), -std::nanf("")})
            for (std::size_t at : {std::size_t(0), std::size_t(65535), std::size_t(70000)}) {
                const float good = std::exchange(x[at], bad);
                CHECK_FALSE(quantize_on_card(rank, Block4{.nested = nested}, x).finite);
                CHECK_FALSE(quantize_on_card(rank, Block4{.nested = nested}, stored_as<bf16>(x)).finite);
                CHECK_FALSE(quantize_on_card(rank, Block4{.nested = nested}, stored_as<f16>(x)).finite);
                x[at] = good;
            }
    CHECK(quantize_on_card(rank, Block4{}, x).finite);
}

TEST_CASE("a card refuses what the CPU refuses") {
    if (!has_card()) return;
    const std::vector<float> x(64);
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    CHECK_THROWS_AS(quantize_on_card(rank, Block4{.book = Block4::Book{9}}, x), Error);
    CHECK_THROWS_AS(quantize_on_card(rank, Block4{.block = 48}, x), Error);
    CHECK_THROWS_AS(quantize_on_card(rank, Block4{}, std::vector<double>(64)), Error);
}

TEST_CASE("a card quantizes HQQ to the CPU's bytes: any width, group, size and magnitude") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    for (int bits : {8, 4, 3, 2, 1})
        for (int group : {16, 32, 64, 128, 256}) {
            const Hqq spec{.bits = bits, .group = group};
            check_equal<bf16>(rank, spec, normal_weights(4096 + 77, std::uint64_t(group)));
            check_equal<f16>(rank, spec, normal_weights(std::size_t(group) + 1, 1));
            for (std::size_t n : {1, 7, 8, 9, 31, 33}) check_equal<float>(rank, spec, normal_weights(n, n));
            std::vector<float> x = normal_weights(40 * std::size_t(group), 9);
            for (std::size_t i = 0; i < x.size(); i++)  // from groups of one scale to those that are clipped
                x[i] *= std::ldexp(1.0f, 3 * int(i / std::size_t(group)) - 40);
            std::fill_n(x.begin(), group, 0.0f);
            std::fill_n(x.begin() + group, group / 2, -0.0f);
            check_equal<float>(rank, spec, x);
        }
    std::vector<float> x = normal_weights(std::size_t(CudaDevice::scratch_bytes / sizeof(float)) + 4097, 3);
    check_equal<float>(rank, Hqq{.bits = 3, .group = 256}, std::vector<float>(x.end() - 20001, x.end()));
    for (float bad : {INFINITY, -INFINITY, std::nanf("")})
        for (std::size_t at : {std::size_t(0), std::size_t(4097), std::size_t(20000)}) {
            std::vector<float> y(x.begin(), x.begin() + 20001);
            y[at] = bad;
            CHECK_FALSE(quantize_on_card(rank, Hqq{}, y).finite);
            CHECK_FALSE(quantize_on_card(rank, Hqq{}, stored_as<bf16>(y)).finite);
        }
    CHECK_THROWS_AS(quantize_on_card(rank, Hqq{.group = 48}, std::vector<float>(96)), Error);
}
