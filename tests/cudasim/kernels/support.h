// Streams, memory and data for the simulator's own tests.
#pragma once
#include <cuda_runtime.h>

// After cuda_runtime.h.
#include <cuda_bf16.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"

namespace cudasim {

// For calls that are no test's subject.
inline void must(cudaError_t e, Where where = Where::current()) {
    if (e == cudaSuccess) return;
    std::fprintf(stderr, "%s:%u: %s\n", where.file_name(), unsigned(where.line()), cudaGetErrorName(e));
    std::abort();
}

class Stream {
  public:
    Stream() { must(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
    ~Stream() { cudaStreamDestroy(stream_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    operator cudaStream_t() const { return stream_; }
    void synchronize() const { must(cudaStreamSynchronize(stream_)); }

  private:
    cudaStream_t stream_;
};

class Event {
  public:
    explicit Event(unsigned flags = cudaEventDisableTiming) { must(cudaEventCreateWithFlags(&event_, flags)); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    operator cudaEvent_t() const { return event_; }

  private:
    cudaEvent_t event_;
};

template <class T> class DeviceArray {
  public:
    explicit DeviceArray(std::size_t count) : count_(count) { must(cudaMalloc(&data_, count * sizeof(T))); }
    explicit DeviceArray(const std::vector<T>& v) : DeviceArray(v.size()) {
        must(cudaMemcpy(data_, v.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~DeviceArray() { cudaFree(data_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;
    operator T*() const { return data_; }
    // Waits for the device.
    std::vector<T> get() const {
        std::vector<T> v(count_);
        must(cudaMemcpy(static_cast<void*>(v.data()), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
        return v;
    }

  private:
    T* data_ = nullptr;
    std::size_t count_;
};

template <class T> class PinnedArray {
  public:
    explicit PinnedArray(std::size_t count) {
        must(cudaHostAlloc(reinterpret_cast<void**>(&data_), count * sizeof(T), cudaHostAllocDefault));
    }
    ~PinnedArray() { cudaFreeHost(data_); }
    PinnedArray(const PinnedArray&) = delete;
    PinnedArray& operator=(const PinnedArray&) = delete;
    operator T*() const { return data_; }

  private:
    T* data_ = nullptr;
};

inline float noise(unsigned i) {  // in [-1, 1)
    i *= 2654435761u;
    i ^= i >> 15;
    i *= 2246822519u;
    i ^= i >> 13;
    return float(i & 0xffff) / 32768.0f - 1.0f;
}
inline std::vector<__nv_bfloat16> random_bf16(std::size_t n, unsigned seed) {
    std::vector<__nv_bfloat16> v(n);
    for (std::size_t i = 0; i < n; ++i) v[i] = __float2bfloat16_rn(noise(unsigned(i) * 7 + seed));
    return v;
}

// The largest error of one head's attention, by flash_forward; infinite when a value is not a number.
template <int head_size, kernels::FlashBug bug = kernels::FlashBug::none> float flash_error(int tokens) {
    using kernels::bf16;
    const int size = tokens * head_size;
    const auto q = random_bf16(size, 1), k = random_bf16(size, 2), v = random_bf16(size, 3);
    const DeviceArray<bf16> dq(q), dk(k), dv(v), out(size);
    const Stream stream;
    must(kernels::flash_forward<head_size, bug>(dq, dk, dv, out, tokens, stream));
    stream.synchronize();
    const auto got = out.get();
    float worst = 0;
    std::vector<double> p(tokens);
    for (int i = 0; i < tokens; ++i) {
        double sum = 0;
        for (int j = 0; j < tokens; ++j) {
            double s = 0;
            for (int c = 0; c < head_size; ++c)
                s += double(__bfloat162float(q[i * head_size + c])) * __bfloat162float(k[j * head_size + c]);
            sum += p[j] = std::exp(s / std::sqrt(double(head_size)));
        }
        for (int c = 0; c < head_size; ++c) {
            double o = 0;
            for (int j = 0; j < tokens; ++j) o += p[j] * __bfloat162float(v[j * head_size + c]);
            const float error = std::fabs(float(o / sum) - __bfloat162float(got[i * head_size + c]));
            worst = error >= 0 ? std::max(worst, error) : INFINITY;
        }
    }
    return worst;
}

}  // namespace cudasim
