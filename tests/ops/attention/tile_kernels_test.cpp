#include "ops/attention/tile_kernels.h"

#include <limits>
#include <numeric>

#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;
using namespace tandem::tiles;

namespace {

template <class T> std::vector<T> random_tile(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::vector<T> v(count);
    for (T& e : v) e = T(normal(random));
    return v;
}

template <class T> std::vector<double> wide(const std::vector<T>& v) { return std::vector<double>(v.begin(), v.end()); }

// What a micro-kernel may read of a packed tile, through products with rows of the unit matrix.
template <class T>
std::vector<double> unpacked(const Kernels<T>& k, const std::vector<T>& packed, int depth, int columns) {
    std::vector<double> all;
    const int padded = round_up(depth, depth_step<T>);
    for (int at = 0; at < columns; at += panel)
        for (int row = 0; row < depth; row++) {
            std::vector<T> a(std::size_t(block_rows * padded), T(0.0f));
            a[std::size_t(row)] = T(1.0f);
            std::vector<accumulate_t<T>> c(block_rows * panel);
            const std::size_t stride = std::size_t(packed.size()) / std::size_t(round_up(columns, panel) / panel);
            k.product({a.data(), padded, packed.data() + stride * std::size_t(at / panel), c.data(), panel, block_rows,
                       padded, Into::store});
            all.insert(all.end(), c.begin(), c.begin() + panel);
        }
    return all;
}

template <class T> void check_packing(const Kernels<T>& k) {
    for (auto [rows, width] : {std::pair{64, 64}, {1, 1}, {17, 21}, {63, 33}, {33, 255}, {2, 16}}) {
        INFO("rows ", rows, " width ", width);
        const std::int64_t stride = width + 3;
        std::vector<T> source = random_tile<T>(std::size_t(rows * stride), 1);
        const Source<T> from{source.data(), stride, rows, width};
        auto expected = [&](int depth, int columns, auto at) {
            std::vector<double> all;
            for (int c = 0; c < columns; c += panel)
                for (int d = 0; d < depth; d++)
                    for (int j = c; j < c + panel; j++) all.push_back(j < columns ? double(at(d, j)) : 0);
            return all;
        };
        const T nan = T(std::numeric_limits<float>::quiet_NaN());
        std::vector<T> packed(std::size_t(tile * round_up(width, panel)), nan);
        k.pack(from, packed.data());
        CHECK(unpacked(k, packed, rows, width) ==
              expected(rows, width, [&](int d, int j) { return source[std::size_t(d * stride + j)]; }));
        std::vector<T> turned(std::size_t(round_up(rows, panel) * round_up(width, depth_step<T>)), nan);
        k.pack_transposed(from, turned.data());
        CHECK(unpacked(k, turned, width, rows) ==
              expected(width, rows, [&](int d, int j) { return source[std::size_t(j * stride + d)]; }));
    }
}

// Sums of 62 products in another order and with other roundings: 62 units of f32 bound them.
template <class T> void check_product(const Kernels<T>& k, int rows, Into into) {
    const int depth = 62;
    std::vector<T> a = random_tile<T>(block_rows * depth, 1), packed = random_tile<T>(depth * panel, 2);
    std::vector<accumulate_t<T>> c = random_tile<accumulate_t<T>>(block_rows * panel, 3), exact = c;
    plain_kernels<T>().product({a.data(), depth, packed.data(), exact.data(), panel, rows, depth, into});
    k.product({a.data(), depth, packed.data(), c.data(), panel, rows, depth, into});
    c.resize(std::size_t(rows * panel));
    exact.resize(c.size());
    CHECK(distance(wide(c), wide(exact)) <= 62 * 0x1p-24 * norm(wide(exact)));
}

template <class T> struct SoftmaxResult {
    std::vector<float> max = std::vector<float>(tile, -1), sum = std::vector<float>(tile, 2), y;
    std::vector<T> p = std::vector<T>(tile * tile, T(7.0f));
    explicit SoftmaxResult(const Kernels<T>& k, const Window& window) : y(random_tile<float>(tile * panel, 2)) {
        std::vector<float> s = random_tile<float>(tile * tile, 1);
        k.softmax({window, 0.5f, s.data(), max.data(), sum.data(), y.data(), panel, p.data()});
        p.resize(std::size_t(window.rows * tile));
    }
};

// Both round to T what they know within a few f32 units: at most one unit of T apart.
template <class T> void check_softmax(const Kernels<T>& k) {
    const double unit = sizeof(T) == 2 ? 0x1p-8 : 0x1p-21;
    for (Window w : {Window{Columns::keys, 64, 64, 0}, {Columns::keys, 13, 40, 30}, {Columns::keys, 64, 50, -20}}) {
        SoftmaxResult<T> a(k, w), b(plain_kernels<T>(), w);
        CHECK(a.max == b.max);
        for (std::size_t i = 0; i < a.p.size(); i++)
            REQUIRE(std::abs(double(a.p[i]) - double(b.p[i])) <= unit * double(b.p[i]));
        CHECK(distance(wide(a.sum), wide(b.sum)) <= 0x1p-20 * norm(wide(b.sum)));
        CHECK(distance(wide(a.y), wide(b.y)) <= 0x1p-21 * norm(wide(b.y)));
    }
}

// ds = p (dp - delta): the cancellation in the bracket is exact to half a unit of its own, p known as above.
template <class T> void check_score_gradient(const Kernels<T>& k) {
    const double unit = sizeof(T) == 2 ? 0x1p-8 : 0x1p-20;
    for (Window w : {Window{Columns::keys, 64, 64, 0},
                     {Columns::keys, 13, 40, 30},
                     {Columns::queries, 64, 64, 0},
                     {Columns::queries, 50, 33, -64},
                     {Columns::queries, 64, 20, 0}}) {
        std::vector<float> s = random_tile<float>(tile * tile, 1), dp = random_tile<float>(tile * tile, 2);
        std::vector<float> lse = random_tile<float>(tile, 3), delta = random_tile<float>(tile, 4);
        auto run = [&](const Kernels<T>& kernels, bool wants_p) {
            std::vector<T> p(tile * tile, T(7.0f)), ds(tile * tile, T(7.0f));
            kernels.score_gradient(
                {w, 0.5f, s.data(), dp.data(), lse.data(), delta.data(), wants_p ? p.data() : nullptr, ds.data()});
            p.insert(p.end(), ds.begin(), ds.end());
            return wide(p);
        };
        std::vector<double> a = run(k, true), b = run(plain_kernels<T>(), true), without = run(k, false);
        for (std::size_t i = 0; i < a.size(); i++) REQUIRE(std::abs(a[i] - b[i]) <= unit * std::abs(b[i]));
        CHECK(std::equal(a.begin() + tile * tile, a.end(), without.begin() + tile * tile));
    }
}

template <class T> void check_output(const Kernels<T>& k) {
    std::vector<float> c = random_tile<float>(37, 1);
    std::vector<T> addend = random_tile<T>(37, 2);
    for (bool add : {false, true}) {
        std::vector<T> out(38, T(7.0f)), exact = out;
        k.output({c.data(), 0.3f, add ? addend.data() : nullptr, out.data(), 37});
        plain_kernels<T>().output({c.data(), 0.3f, add ? addend.data() : nullptr, exact.data(), 37});
        CHECK(wide(out) == wide(exact));
    }
}

template <class T> void check_kernels(const Kernels<T>& k) {
    check_packing(k);
    for (int rows : {1, 4, 5, 8}) {
        check_product(k, rows, Into::store);
        check_product(k, rows, Into::add);
    }
    check_softmax(k);
    check_score_gradient(k);
    check_output(k);
}

}  // namespace

TEST_CASE("plain tile kernels pack what products read") {
    check_packing(plain_kernels<double>());
    check_packing(plain_kernels<float>());
    check_packing(plain_kernels<bf16>());
}

TEST_CASE("AVX-512 tile kernels do what the plain ones do") {
    if (!avx512_kernels<float>()) return;
    check_kernels(*avx512_kernels<float>());
    if (avx512_kernels<bf16>()) check_kernels(*avx512_kernels<bf16>());
}

TEST_CASE("exp of the AVX-512 kernels: within 2 ulp, exact at 0, 0 far below") {
    const Kernels<float>* k = avx512_kernels<float>();
    if (!k) return;
    auto exp_of = [&](std::vector<float> x) {  // at most 63, all <= 0
        const int count = int(x.size());
        x.resize(tile);
        float max = 0, sum = 0;
        std::vector<float> y(panel), p(tile);
        k->softmax({{Columns::keys, 1, count, tile}, 1, x.data(), &max, &sum, y.data(), panel, p.data()});
        p.resize(std::size_t(count));
        return p;
    };
    CHECK(exp_of({0, -0.0f, -1e30f, -std::numeric_limits<float>::infinity(), -110}) ==
          std::vector<float>{1, 1, 0, 0, 0});
    double worst = 0;
    std::vector<float> x(63);
    for (int step = 0; step < 20000; step++) {
        for (std::size_t i = 0; i < x.size(); i++)
            x[i] = float(-87.0 * (double(step) * 63 + double(i)) / (20000.0 * 63));
        std::vector<float> e = exp_of(x);
        for (std::size_t i = 0; i < x.size(); i++) {
            const double exact = std::exp(double(x[i]));
            const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
            worst = std::max(worst, std::abs(double(e[i]) - exact) / ulp);
        }
    }
    MESSAGE("largest error ", worst, " ulp");
    CHECK(worst < 2);
}
