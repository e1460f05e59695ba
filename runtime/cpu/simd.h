// Plain loops run with the widest vectors of this machine. A loop body is compiled once per instruction set, with
// everything it calls inlined; nothing is fused or reassociated, so all give the same bits.
#pragma once

namespace tandem::simd {

#if defined(__x86_64__) && defined(__GNUC__)
template <class F>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"), gnu::flatten]] void run_avx512(F& f) {
    f();
}
template <class F> [[gnu::target("avx2"), gnu::flatten]] void run_avx2(F& f) { f(); }

template <class F> void run(F&& f) {
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        run_avx512(f);
    else if (__builtin_cpu_supports("avx2"))
        run_avx2(f);
    else
        f();
}
#else
template <class F> void run(F&& f) { f(); }
#endif

}  // namespace tandem::simd
