#include <algorithm>
#include <atomic>

#include "quant/codes.h"
#include "quant/host_weight.h"
#include "quant/hqq/hqq.h"
#include "quant/hqq/solve.h"
#include "quant/magnitude.h"
#include "runtime/cpu/simd.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

using namespace hqq;

// f(lane, element) for the elements of a group, sixteen neighbours at a time: constant trip counts vectorise.
template <class F> inline void for_lanes(int n, F&& f) {
    int i = 0;
    for (; i + lanes <= n; i += lanes)
        for (int l = 0; l < lanes; l++) f(l, i + l);
    for (int l = 0; i + l < n; l++) f(l, i + l);
}

inline float sum_of(float (&lane)[lanes]) {
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

inline Sums sums_of(const float* w, int n, const Line& line) {
    float error[lanes] = {}, next[lanes] = {}, largest[lanes] = {};
    for_lanes(n, [&](int l, int i) {
        const float code = line.code(w[i]), d = magnitude(line.error(w[i], code));
        error[l] += d;
        largest[l] = max_of(largest[l], d);
        next[l] += moment(w[i], code, line.inverse);
    });
    if (*std::max_element(largest, largest + lanes) > shrinks_from) {
        std::fill_n(next, lanes, 0.0f);
        for_lanes(n, [&](int l, int i) {
            const float code = line.code(w[i]);
            next[l] += shrunk_moment(w[i], code, line.inverse, line.error(w[i], code));
        });
    }
    return {sum_of(error), sum_of(next)};
}

inline Line solve(const float* w, int n, float top) {
    const auto [least, largest] = std::minmax_element(w, w + n);
    const float scale = scale_of(*least, *largest, top);
    Best best{.line = start_of(0, scale, *least, top)};
    for (int s = 0; s < starts_of(top); s++) {
        Walk walk{start_of(s, scale, *least, top)};
        for (int i = 0; i < iterations && !walk.ends; i++) {
            const Sums sums = sums_of(w, n, walk.line);
            best.take(sums.error, walk.line);
            walk.step(sums, 1.0f / float(n));
        }
    }
    return best.line;
}

// Of a group, whose first element is a multiple of 8.
template <int bits> void store_codes(const float* w, int n, const Line& line, std::byte* to) {
    for (int i = 0; i < n; i += 8) {
        std::uint8_t eight[8] = {};
        for (int k = 0; k < std::min(8, n - i); k++) eight[k] = std::uint8_t(line.code(w[i + k]));
        EightCodes<bits>(eight).store(to, i / 8);
    }
}

}  // namespace

bool Hqq::encode(const HostWeight& weight, std::byte* out, ThreadPool& pool) const {
    const std::int64_t n = weight.elements();
    check_encoding(n);
    const QuantParts parts = this->parts(weight.rows, weight.cols);
    parts.clear_between(out);
    auto* scale = reinterpret_cast<f16*>(out + parts[1].at);
    auto* zero = reinterpret_cast<f16*>(out + parts[2].at);
    constexpr std::int64_t piece = 1 << 13;  // elements of one piece of work: a multiple of every group
    std::atomic<bool> finite = true;
    pool.parallel_for((n + piece - 1) / piece, [&](std::int64_t p) {
        const std::int64_t begin = p * piece, end = std::min(begin + piece, n);
        float values[piece];
        weight.widen(begin, end - begin, values);
        if (max_magnitude_bits(values, end - begin) >= magnitude_of_infinity) {
            finite = false;
            return;
        }
        simd::run([&] {
            for (std::int64_t i = begin; i < end; i += group) {
                const int elements = int(std::min<std::int64_t>(group, end - i));
                const Line line = solve(values + i - begin, elements, float((1 << bits) - 1));
                scale[i / group] = f16(line.scale);
                zero[i / group] = f16(line.zero);
                visit_code_bits(bits, [&]<int width>() {
                    store_codes<width>(values + i - begin, elements, line, out + i / 8 * width);
                });
            }
        });
    });
    return finite;
}

}  // namespace tandem
