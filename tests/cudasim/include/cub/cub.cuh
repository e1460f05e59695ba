// The few CUB classes the project uses. CUB's own headers do not compile here: they contain inline PTX.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <vector>

#include "tests/cudasim/cudasim.h"

namespace cub {

struct Sum {
    template <class T> T operator()(const T& a, const T& b) const { return a + b; }
};
struct Max {
    template <class T> T operator()(const T& a, const T& b) const { return a < b ? b : a; }
};
struct Min {
    template <class T> T operator()(const T& a, const T& b) const { return b < a ? b : a; }
};

namespace detail {
inline int linear_thread() { return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)); }

// Every thread deposits, all meet, every thread folds on its own. As with CUB, TempStorage may be reused only after a
// barrier of the caller's: there is none at the end. A racing reuse shows under TSan.
template <class T, int threads> struct Exchange { T value[threads]; };

// CUB's two-call protocol: a null pointer asks for the size. The size is a true requirement: passing less fails.
inline bool asks_size(void* temporary, std::size_t& bytes, std::size_t need, cudaError_t& e) {
    e = cudaSuccess;
    if (!temporary) {
        bytes = need;
        return true;
    }
    if (bytes < need) e = cudaErrorInvalidValue;
    return bytes < need;
}
}  // namespace detail

template <class T, int threads> class BlockReduce {
  public:
    using TempStorage = detail::Exchange<T, threads>;
    explicit BlockReduce(TempStorage& storage) : storage_(storage) {}
    // Valid in thread 0 only, as in CUB: the others get poison.
    template <class Op> T Reduce(T v, Op op, CUDASIM_WHERE) {
        if (int(blockDim.x * blockDim.y * blockDim.z) != threads)
            cudasim::kernel_failure("cub::BlockReduce: block size differs", where);
        storage_.value[detail::linear_thread()] = v;
        __syncthreads(where);
        T r;
        std::memset((void*)&r, 0xff, sizeof r);
        if (detail::linear_thread() != 0) return r;
        r = storage_.value[0];
        for (int i = 1; i < threads; ++i) r = op(r, storage_.value[i]);
        return r;
    }
    T Sum(T v, CUDASIM_WHERE) { return Reduce(v, cub::Sum{}, where); }

  private:
    TempStorage& storage_;
};

template <class T, int threads> class BlockScan {
  public:
    using TempStorage = detail::Exchange<T, threads>;
    explicit BlockScan(TempStorage& storage) : storage_(storage) {}
    void InclusiveSum(T v, T& out, CUDASIM_WHERE) { out = before(v, where) + v; }
    void ExclusiveSum(T v, T& out, CUDASIM_WHERE) { out = before(v, where); }

  private:
    T before(T v, cudasim::Where where) {
        storage_.value[detail::linear_thread()] = v;
        __syncthreads(where);
        T r{};
        for (int i = 0; i < detail::linear_thread(); ++i) r = r + storage_.value[i];
        return r;
    }
    TempStorage& storage_;
};

struct DeviceReduce {
    template <class In, class Out>
    static cudaError_t Sum(void* t, std::size_t& bytes, In in, Out out, int n, cudaStream_t s = nullptr) {
        cudaError_t e;
        if (detail::asks_size(t, bytes, 1024, e)) return e;
        return cudasim::enqueue("cub::DeviceReduce::Sum",
                                {{in, n * sizeof *in, false}, {out, sizeof *out, true}, {t, bytes, true}}, s,
                                [=] { *out = std::accumulate(in, in + n, std::decay_t<decltype(*out)>{}); });
    }
};

struct DeviceScan {
    template <class In, class Out>
    static cudaError_t ExclusiveSum(void* t, std::size_t& bytes, In in, Out out, int n, cudaStream_t s = nullptr) {
        cudaError_t e;
        if (detail::asks_size(t, bytes, 1024, e)) return e;
        return cudasim::enqueue("cub::DeviceScan::ExclusiveSum",
                                {{in, n * sizeof *in, false}, {out, n * sizeof *out, true}, {t, bytes, true}}, s,
                                [=] { std::exclusive_scan(in, in + n, out, std::decay_t<decltype(*out)>{}); });
    }
};

struct DeviceRadixSort {
    template <class K, class V> static cudaError_t SortPairs(void* t, std::size_t& bytes, const K* keys, K* keys_out,
                                                             const V* values, V* values_out, int n, int begin_bit = 0,
                                                             int end_bit = int(sizeof(K) * 8),
                                                             cudaStream_t s = nullptr) {
        cudaError_t e;
        if (detail::asks_size(t, bytes, n * (sizeof(K) + sizeof(V)), e)) return e;
        const auto sort = [=] {
            std::vector<int> order(n);
            std::iota(order.begin(), order.end(), 0);
            const std::uint64_t digits = ~std::uint64_t{0} >> (64 - (end_bit - begin_bit));
            const auto digit = [&](int i) { return (std::uint64_t(keys[i]) >> begin_bit) & digits; };
            std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return digit(a) < digit(b); });
            for (int i = 0; i < n; ++i) {
                keys_out[i] = keys[order[i]];
                values_out[i] = values[order[i]];
            }
        };
        const std::size_t key_bytes = n * sizeof(K), value_bytes = n * sizeof(V);
        return cudasim::enqueue("cub::DeviceRadixSort::SortPairs",
                                {{keys, key_bytes, false},
                                 {values, value_bytes, false},
                                 {keys_out, key_bytes, true},
                                 {values_out, value_bytes, true},
                                 {t, bytes, true}},
                                s, sort);
    }
};

}  // namespace cub
