// Warp collectives: shuffles, votes, reductions.
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "tests/cudasim/builtins/sync.h"

namespace cudasim {

// f(mask, In[32] by lane, lane) -> Out, evaluated for every lane in mask by the last lane to arrive.
template <class Out, class In, class F>
Out collective(unsigned mask, const char* what, const In& in, F f, Where where) {
    static_assert(sizeof(In) <= slot_bytes && sizeof(Out) <= slot_bytes);
    // memcpy although __nv_bfloat162 is not trivially copyable: its assignment is user-written, but plain.
    const auto combine = [](const void* user, std::uint32_t m, const char* deposits, char* results) {
        const auto at = [&](int lane) {
            In v;
            std::memcpy((void*)&v, deposits + lane * slot_bytes, sizeof v);
            return v;
        };
        for (int lane = 0; lane < 32; ++lane) {
            if (!(m >> lane & 1)) continue;
            Out o = (*static_cast<const F*>(user))(m, at, lane);
            std::memcpy(results + lane * slot_bytes, (const void*)&o, sizeof o);
        }
    };
    std::memcpy(warp_arrive(mask, what, where), (const void*)&in, sizeof in);
    Out out;
    std::memcpy((void*)&out, warp_meet(combine, &f), sizeof out);
    warp_leave();
    return out;
}

template <class T> struct ShuffleIn {
    T value;
    int from;
};

template <class T> T shuffle(unsigned mask, const char* what, T v, int from, Where where) {
    const auto pick = [](unsigned m, auto& at, int lane) {
        const ShuffleIn<T> me = at(lane);
        if (me.from == lane) return me.value;
        if (m >> me.from & 1) return at(me.from).value;
        T undefined;  // on hardware too
        std::memset((void*)&undefined, 0xff, sizeof undefined);
        return undefined;
    };
    return collective<T>(mask, what, ShuffleIn<T>{v, from}, pick, where);
}
inline int segment(int lane, int width) { return lane & ~(width - 1); }

// All lanes fold their values in lane order and get the same result.
template <class T, class F> T fold(unsigned mask, const char* what, T v, F f, Where where) {
    const auto over = [f](unsigned m, auto& at, int) {
        int lane = std::countr_zero(m);
        T result = at(lane);
        while (++lane < 32)
            if (m >> lane & 1) result = f(result, at(lane));
        return result;
    };
    return collective<T>(mask, what, v, over, where);
}

}  // namespace cudasim

template <class T> T __shfl_sync(unsigned mask, T v, int from, int width = 32, CUDASIM_WHERE) {
    const int l = cudasim::lane_id();
    return cudasim::shuffle(mask, "__shfl_sync", v, cudasim::segment(l, width) + (from & (width - 1)), where);
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int x, int width = 32, CUDASIM_WHERE) {
    const int l = cudasim::lane_id(), s = l ^ x;
    return cudasim::shuffle(mask, "__shfl_xor_sync", v, s < cudasim::segment(l, width) + width ? s : l, where);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned d, int width = 32, CUDASIM_WHERE) {
    const int l = cudasim::lane_id(), s = l + int(d);
    return cudasim::shuffle(mask, "__shfl_down_sync", v, s < cudasim::segment(l, width) + width ? s : l, where);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned d, int width = 32, CUDASIM_WHERE) {
    const int l = cudasim::lane_id(), s = l - int(d);
    return cudasim::shuffle(mask, "__shfl_up_sync", v, s >= cudasim::segment(l, width) ? s : l, where);
}

inline unsigned __ballot_sync(unsigned mask, int p, CUDASIM_WHERE) {
    const auto votes = [](unsigned m, auto& at, int) {
        unsigned r = 0;
        for (int i = 0; i < 32; ++i)
            if (m >> i & 1 && at(i)) r |= 1u << i;
        return r;
    };
    return cudasim::collective<unsigned>(mask, "__ballot_sync", p, votes, where);
}
inline int __any_sync(unsigned mask, int p, CUDASIM_WHERE) { return __ballot_sync(mask, p, where) != 0; }
inline int __all_sync(unsigned mask, int p, CUDASIM_WHERE) { return __ballot_sync(mask, !p, where) == 0; }
// Lanes of a warp need not run together here, so no emulation can say who is "active". Pass masks explicitly.
unsigned __activemask() = delete;

// As on hardware: 32-bit integers only.
template <class T>
concept WarpReducible = std::is_same_v<T, int> || std::is_same_v<T, unsigned>;
template <WarpReducible T> T __reduce_add_sync(unsigned mask, T v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_add_sync", v, [](T a, T b) { return T(unsigned(a) + unsigned(b)); }, where);
}
template <WarpReducible T> T __reduce_min_sync(unsigned mask, T v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_min_sync", v, [](T a, T b) { return std::min(a, b); }, where);
}
template <WarpReducible T> T __reduce_max_sync(unsigned mask, T v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_max_sync", v, [](T a, T b) { return std::max(a, b); }, where);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_and_sync", v, [](unsigned a, unsigned b) { return a & b; }, where);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_or_sync", v, [](unsigned a, unsigned b) { return a | b; }, where);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned v, CUDASIM_WHERE) {
    return cudasim::fold(
        mask, "__reduce_xor_sync", v, [](unsigned a, unsigned b) { return a ^ b; }, where);
}
