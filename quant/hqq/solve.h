// The arithmetic of HQQ's solver, the same on the host and on cards, to the same bits: plain additions and
// multiplications of floats, sums by sixteen lanes, of which each takes every sixteenth element of a group.
#pragma once
#include <cstdint>

#include "quant/hqq/bits.h"

namespace tandem::hqq {

inline constexpr int lanes = 16, largest_group = 256;
inline constexpr int iterations = 20;  // from each start, at most

TANDEM_HOST_DEVICE inline float min_of(float a, float b) { return a < b ? a : b; }
TANDEM_HOST_DEVICE inline float max_of(float a, float b) { return a < b ? b : a; }
TANDEM_HOST_DEVICE inline float magnitude(float v) { return from_bits(bits_of(v) & 0x7fffffffu); }

// The nearest f16, ties to even; the largest finite one beyond it.
TANDEM_HOST_DEVICE inline float round_to_f16(float v) {
    v = max_of(-65504.0f, min_of(v, 65504.0f));
    if (magnitude(v) < 0x1p-14f) return (v + 0.75f) - 0.75f;  // to multiples of 2^-24, the last place of 0.75
    const std::uint32_t u = bits_of(v);
    return from_bits((u + 0xfff + (u >> 13 & 1)) & ~0x1fffu);
}

// To an integer, ties to even; |v| below 2^22.
TANDEM_HOST_DEVICE inline float round_to_integer(float v) { return (v + 0x1.8p23f) - 0x1.8p23f; }

// What a group's codes are made with.
struct Line {
    float scale, inverse, zero;
    float top;  // the largest code

    TANDEM_HOST_DEVICE float code(float w) const {
        return round_to_integer(max_of(0.0f, min_of(w * inverse + zero, top)));
    }
    TANDEM_HOST_DEVICE float error(float w, float code) const { return w - (code - zero) * scale; }
};

// The scale is f16 and as hqq has it: 1 where weights are all but equal, 2^-14.3 at least. It also leaves the zero
// finite in f16.
TANDEM_HOST_DEVICE inline float scale_of(float least, float largest, float top) {
    const float range = largest - least;
    const float usual = range <= 1e-4f ? 1.0f : max_of(range / top, 5e-5f);
    return round_to_f16(max_of(usual, max_of(magnitude(least), magnitude(largest)) / 65000.0f));
}

// Where the solver starts from: the usual zero, and half a code to either side; of 8 bits, whose ends f16 does not meet
// so well, also with a scale by a place or two larger.
TANDEM_HOST_DEVICE inline int starts_of(float top) { return top == 255.0f ? 9 : 3; }
TANDEM_HOST_DEVICE inline Line start_of(int start, float scale, float least, float top) {
    scale = round_to_f16(scale * (1.0f + float(start / 3) * 0x1p-10f));
    const float inverse = 1.0f / scale;
    float zero = -((least + 0.0f) * inverse);  // the same for either zero as the least
    if (top == 15.0f) zero = round_to_integer(max_of(-65504.0f, min_of(zero, 65504.0f)));  // as hqq
    zero += start % 3 == 0 ? 0.0f : start % 3 == 1 ? 0.5f : -0.5f;
    return {scale, inverse, round_to_f16(zero), top};
}

// Errors of this size on are shrunk by less than they are: |d| > |d|^(p - 1) / beta.
inline constexpr float shrinks_from = 0.170125428f;  // 0.1^(1 / 1.3)

// |d|^-0.3 / 10, of |d| from shrinks_from to 2^17; beyond, it is lost in the rounding of d. Newton's iteration for
// y^10 d^3 = 1, from a guess by the exponents that is within a tenth.
TANDEM_HOST_DEVICE inline float shrinkage(float d) {
    d = min_of(d, 0x1p17f);
    const float cube = d * d * d;
    float y = from_bits(1384959181u - bits_of(d) / 10 * 3);  // 1.3 times the bits of 1
    for (int i = 0; i < 5; i++) {
        const float y2 = y * y, y4 = y2 * y2, y10 = y4 * y4 * y2;
        y += y * ((1.0f - cube * y10) * 0.1f);
    }
    return y * 0.1f;
}

// A code's part in the next zero, the mean of code - (w - w_e) / scale. Its second form is the first where |d| is below
// shrinks_from.
TANDEM_HOST_DEVICE inline float moment(float w, float code, float inverse) { return code - w * inverse; }
TANDEM_HOST_DEVICE inline float shrunk_moment(float w, float code, float inverse, float d) {
    const float size = magnitude(d);
    if (!(size > shrinks_from)) return moment(w, code, inverse);
    const float kept = size - shrinkage(size);
    return code - (w - (d < 0 ? -kept : kept)) * inverse;
}

struct Sums { float error, moment; };  // over the elements of a group
struct Best {
    float error = 3e38f;
    Line line;
    TANDEM_HOST_DEVICE void take(float e, const Line& l) {
        if (!(e < error)) return;
        error = e;
        line = l;
    }
};

// A walk from one start: from zero to zero, until the error no longer falls or the zero stays.
struct Walk {
    Line line;
    float last = 3.4e38f;
    bool ends = false;
    TANDEM_HOST_DEVICE void step(const Sums& sums, float one_of_elements) {
        const float next = round_to_f16(sums.moment * one_of_elements);
        ends = ends || !(sums.error < last) || next == line.zero;
        last = sums.error;
        line.zero = ends ? line.zero : next;
    }
};

}  // namespace tandem::hqq
