#include <algorithm>
#include <atomic>
#include <cstring>

#include "quant/codes.h"
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

template <int bits> void store_codes(const float* w, int n, const Line& line, std::byte* codes, std::int64_t first) {
    for (int i = 0; i < n; i += 8) {
        std::uint8_t eight[8] = {};
        for (int k = 0; k < std::min(8, n - i); k++) eight[k] = std::uint8_t(line.code(w[i + k]));
        EightCodes<bits>(eight).store(codes, first / 8 + i / 8);
    }
}

struct Out {
    std::byte* codes;
    f16 *scale, *zero;
};

// False if a weight is not finite.
template <int bits>
bool encode_groups(const Hqq& format, const float* weight, std::int64_t elements, const Out& out, ThreadPool& pool) {
    constexpr std::int64_t piece = 1 << 14;  // elements of one piece of work: a multiple of every group
    std::atomic<bool> finite = true;
    pool.parallel_for((elements + piece - 1) / piece, [&](std::int64_t p) {
        simd::run([&] {
            const std::int64_t end = std::min((p + 1) * piece, elements);
            if (max_magnitude_bits(weight + p * piece, end - p * piece) >= magnitude_of_infinity) {
                finite = false;
                return;
            }
            for (std::int64_t i = p * piece; i < end; i += format.group) {
                const int n = int(std::min<std::int64_t>(format.group, end - i));
                const Line line = solve(weight + i, n, float((1 << bits) - 1));
                out.scale[i / format.group] = f16(line.scale);
                out.zero[i / format.group] = f16(line.zero);
                store_codes<bits>(weight + i, n, line, out.codes, i);
            }
        });
    });
    return finite;
}

}  // namespace

bool Hqq::encode(const float* weight, std::int64_t rows, std::int64_t cols, std::byte* out, ThreadPool& pool) const {
    const std::int64_t n = rows * cols;
    check_encoding(n);
    const QuantParts parts = this->parts(rows, cols);
    for (int i = 0; i < parts.size(); i++) {
        const std::size_t next = i + 1 < parts.size() ? parts[i + 1].at : parts.bytes();
        std::memset(out + parts[i].end(), 0, next - parts[i].end());
    }
    const Out to{out, reinterpret_cast<f16*>(out + parts[1].at), reinterpret_cast<f16*>(out + parts[2].at)};
    switch (bits) {
        case 8: return encode_groups<8>(*this, weight, n, to, pool);
        case 4: return encode_groups<4>(*this, weight, n, to, pool);
        case 3: return encode_groups<3>(*this, weight, n, to, pool);
        case 2: return encode_groups<2>(*this, weight, n, to, pool);
        default: return encode_groups<1>(*this, weight, n, to, pool);
    }
}

}  // namespace tandem
