// Atomics on global and shared memory.
#pragma once
#include <type_traits>

namespace cudasim {

// acq_rel is stronger than CUDA's relaxed atomics: TSan does not model __threadfence, and the usual "last block
// finishes" pattern relies on fence + atomic.
template <class T, class F> T atomic_update(T* p, F f) {
    T old, next;
    __atomic_load(p, &old, __ATOMIC_ACQUIRE);
    do next = f(old);
    while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return old;
}

// As on hardware; floating-point sums by atomics would depend on the order of threads, so the project has none.
template <class T>
concept AtomicInteger = std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;

}  // namespace cudasim

template <cudasim::AtomicInteger T> T atomicAdd(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return T(o + v); });
}
template <cudasim::AtomicInteger T> T atomicSub(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return T(o - v); });
}
template <cudasim::AtomicInteger T> T atomicMax(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return o < v ? v : o; });
}
template <cudasim::AtomicInteger T> T atomicMin(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return v < o ? v : o; });
}
template <cudasim::AtomicInteger T> T atomicOr(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return o | v; });
}
template <cudasim::AtomicInteger T> T atomicAnd(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T o) { return o & v; });
}
template <cudasim::AtomicInteger T> T atomicExch(T* p, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [v](T) { return v; });
}
template <cudasim::AtomicInteger T> T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
    return cudasim::atomic_update(p, [expected, v](T o) { return o == expected ? v : o; });
}
// Increments up to and including `last`, then starts at 0 again.
inline unsigned atomicInc(unsigned* p, unsigned last) {
    return cudasim::atomic_update(p, [last](unsigned o) { return o >= last ? 0u : o + 1; });
}
