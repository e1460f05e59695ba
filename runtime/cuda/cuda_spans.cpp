#include "runtime/cuda/cuda_spans.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "runtime/cuda/check.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/error.h"

namespace tandem {

namespace {

constexpr std::size_t many_spans = 64;  // from where on those that have passed are asked for

void destroy(cudaEvent_t event) { cuda::warn(cudaEventDestroy(event), "cudaEventDestroy"); }

Trace::Clock::duration between(cudaEvent_t from, cudaEvent_t to) {
    float milliseconds = 0;
    cuda::check(cudaEventElapsedTime(&milliseconds, from, to), "cudaEventElapsedTime");
    return std::chrono::duration_cast<Trace::Clock::duration>(std::chrono::duration<double, std::milli>(milliseconds));
}

}  // namespace

CudaSpans::CudaSpans(CUstream_st* stream, int ordinal, const StreamOwner& owner)
    : stream_(stream), ordinal_(ordinal), owner_(owner) {
    // An event passes between two looks at the host's clock; of several tries the closest two.
    auto closest = Trace::Clock::duration::max();
    for (int i = 0; i < 8; i++) {
        const auto before = Trace::Clock::now();
        cudaEvent_t event = record();
        cuda::check(cudaEventSynchronize(event), "cudaEventSynchronize");
        const auto apart = Trace::Clock::now() - before;
        if (apart < closest) {
            closest = apart;
            clock_time_ = before + apart / 2;
            std::swap(clock_, event);
        }
        if (event) destroy(event);
    }
}

CudaSpans::~CudaSpans() {
    try {
        collect();
    } catch (const Error&) {  // the stream failed, and what it failed with has been said
    }
    for (const Span& s : spans_) {
        destroy(s.begin);
        if (s.end) destroy(s.end);
    }
    destroy(clock_);
}

CUevent_st* CudaSpans::record() {
    OnDevice here(ordinal_);
    cudaEvent_t event = nullptr;
    cuda::check(cudaEventCreate(&event), "cudaEventCreate");
    cudaError_t recorded = cudaEventRecord(event, stream_);
    if (recorded != cudaSuccess) destroy(event);
    cuda::check(recorded, "cudaEventRecord");
    return event;
}

std::uint64_t CudaSpans::begin(const char* what) {
    std::lock_guard lock(mutex_);
    if (spans_.size() >= many_spans) collect();
    spans_.push_back({what, record(), nullptr});
    return first_ + spans_.size() - 1;
}

void CudaSpans::end(std::uint64_t number) noexcept {
    std::lock_guard lock(mutex_);
    try {
        spans_[number - first_].end = record();
    } catch (const Error&) {  // the stream has failed: its next call throws the same
    }
}

void CudaSpans::collect() {
    while (!spans_.empty()) {
        const Span& s = spans_.front();
        if (!s.end) return;
        cudaError_t passed = cudaEventQuery(s.end);
        if (passed == cudaErrorNotReady) return;
        cuda::check(passed, "cudaEventQuery");
        const Trace::Clock::time_point begin = clock_time_ + between(clock_, s.begin);
        owner_.trace->add({s.what, owner_.rank, owner_.lane, begin, begin + between(s.begin, s.end)});
        // Elapsed times are floats: over short distances they stay exact.
        destroy(std::exchange(clock_, s.begin));
        clock_time_ = begin;
        destroy(s.end);
        spans_.pop_front();
        first_++;
    }
}

}  // namespace tandem
