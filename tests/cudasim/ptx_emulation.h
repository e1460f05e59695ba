// Warp-wide PTX instructions, emulated by exchanging fragments through the warp's mailbox.
// Layouts (PTX ISA, "Matrix fragments for mma.m16n8k16"; g = lane/4, t = lane%4):
//   A 16x16: a0 (g, 2t..2t+1)  a1 (g+8, 2t..)  a2 (g, 2t+8..)  a3 (g+8, 2t+8..)
//   B 16x8 : b0 (k 2t..2t+1, n g)  b1 (k 2t+8..2t+9, n g)
//   D 16x8 : d0,d1 (g, 2t..2t+1)  d2,d3 (g+8, 2t..2t+1)
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "tests/cudasim/builtins/sync.h"

namespace cudasim::ptx {

inline float bf16_low(std::uint32_t v) { return std::bit_cast<float>(v << 16); }
inline float bf16_high(std::uint32_t v) { return std::bit_cast<float>(v & 0xffff0000u); }

struct MmaIn {
    std::uint32_t a[4], b[2];
};
struct MmaOut {
    float d[4];
};

// Products are summed in float in the order of k. Tensor cores keep a few more bits inside and truncate, so results
// agree only to rounding: compare with a tolerance, never bit for bit.
inline void mma_combine(const void*, std::uint32_t, const char* deposits, char* results) {
    float a[16][16], b[16][8], d[16][8] = {};
    for (int lane = 0; lane < 32; ++lane) {
        MmaIn in;
        std::memcpy(&in, deposits + lane * slot_bytes, sizeof in);
        const int g = lane / 4, t = 2 * (lane % 4);
        for (int i = 0; i < 4; ++i) {
            const int row = g + (i & 1) * 8, k = t + (i >> 1) * 8;
            a[row][k] = bf16_low(in.a[i]);
            a[row][k + 1] = bf16_high(in.a[i]);
        }
        for (int i = 0; i < 2; ++i) {
            b[t + i * 8][g] = bf16_low(in.b[i]);
            b[t + i * 8 + 1][g] = bf16_high(in.b[i]);
        }
    }
    for (int m = 0; m < 16; ++m)
        for (int k = 0; k < 16; ++k)
            for (int n = 0; n < 8; ++n) d[m][n] += a[m][k] * b[k][n];
    for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, t = 2 * (lane % 4);
        const MmaOut out{{d[g][t], d[g][t + 1], d[g + 8][t], d[g + 8][t + 1]}};
        std::memcpy(results + lane * slot_bytes, &out, sizeof out);
    }
}

inline void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], CUDASIM_WHERE) {
    const MmaIn in{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    std::memcpy(warp_arrive(~0u, "mma.m16n8k16", where), &in, sizeof in);
    MmaOut out;
    std::memcpy(&out, warp_meet(mma_combine, nullptr), sizeof out);
    warp_leave();
    for (int i = 0; i < 4; ++i) d[i] += out.d[i];
}

// Lane 8i+j gives the address of row j of matrix i; register i of a lane holds elements (g, 2t) and (g, 2t+1) of matrix
// i, of its transpose with `transposed`.
template <int matrices, bool transposed>
void ldmatrix_combine(const void*, std::uint32_t, const char* deposits, char* results) {
    std::uint16_t m[matrices][8][8];
    for (int lane = 0; lane < 8 * matrices; ++lane)
        std::memcpy(m[lane / 8][lane % 8], deposits + lane * slot_bytes, 16);
    for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, t = 2 * (lane % 4);
        std::uint32_t out[matrices];
        for (int i = 0; i < matrices; ++i) {
            const std::uint32_t low = transposed ? m[i][t][g] : m[i][g][t];
            const std::uint32_t high = transposed ? m[i][t + 1][g] : m[i][g][t + 1];
            out[i] = low | high << 16;
        }
        std::memcpy(results + lane * slot_bytes, out, sizeof out);
    }
}

template <int matrices, bool transposed>
void ldmatrix(std::uint32_t (&r)[matrices], const void* row, const char* what, Where where) {
    std::uint16_t in[8] = {};
    if (lane_id() < 8 * matrices) {  // the addresses of other lanes are ignored
        if (reinterpret_cast<std::uintptr_t>(row) % 16)
            kernel_failure(std::string(what) + ": row address not aligned to 16", where);
        if (!is_shared(row, 16))
            kernel_failure(std::string(what) + ": row address is not in this block's shared memory", where);
        std::memcpy(in, row, sizeof in);  // in the calling lane, so that sanitizers see who reads
    }
    std::memcpy(warp_arrive(~0u, what, where), in, sizeof in);
    std::memcpy(r, warp_meet(ldmatrix_combine<matrices, transposed>, nullptr), sizeof r);
    warp_leave();
}
inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, CUDASIM_WHERE) {
    ldmatrix<4, false>(r, row, "ldmatrix.x4", where);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row, CUDASIM_WHERE) {
    ldmatrix<4, true>(r, row, "ldmatrix.x4.trans", where);
}
inline void ldmatrix_x2(std::uint32_t (&r)[2], const void* row, CUDASIM_WHERE) {
    ldmatrix<2, false>(r, row, "ldmatrix.x2", where);
}
inline void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row, CUDASIM_WHERE) {
    ldmatrix<2, true>(r, row, "ldmatrix.x2.trans", where);
}

// Copies source_bytes (0 to 16) and fills the rest of 16 bytes with zero.
inline void cp_async16(void* shared, const void* global, int source_bytes = 16, CUDASIM_WHERE) {
    cp_async_issue(shared, global, 16, std::size_t(source_bytes), where);
}
inline void cp_async_commit() { cp_async_commit_group(); }
template <int n> void cp_async_wait() { cp_async_wait_groups(n); }

inline float exp2_approximate(float x) {
    const float y = std::exp2(x);
    return y < 0x1p-126f ? 0 : y;
}

}  // namespace cudasim::ptx
