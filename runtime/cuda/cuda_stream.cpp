#include "runtime/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>

#include <thread>

#include "runtime/abort.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/cuda_spans.h"

namespace tandem {

namespace {

class CudaEvent final : public Event::State {
  public:
    CudaEvent() { cuda::check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming), "cudaEventCreate"); }
    ~CudaEvent() override { cuda::warn(cudaEventDestroy(handle), "cudaEventDestroy"); }
    cudaEvent_t handle = nullptr;
};

// Asks until `status` says that all is done: a blocking wait could not be left when another rank fails. Short waits
// spin; longer ones sleep.
template <class F> void poll(const AbortSignal& abort, const char* call, F status) {
    for (int looks = 0;; looks++) {
        cudaError_t now = status();
        if (now == cudaSuccess) return;
        if (now != cudaErrorNotReady) cuda::check(now, call);
        abort.check();
        if (looks < 2000)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

}  // namespace

struct CudaStream::Failure {
    std::mutex mutex;
    std::exception_ptr first;
};

CudaStream::CudaStream(int ordinal, Priority priority, const StreamOwner& owner)
    : ordinal_(ordinal), abort_(*owner.abort), failure_(std::make_shared<Failure>()) {
    OnDevice here(ordinal);
    int least = 0, greatest = 0;
    cuda::check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
    cuda::check(
        cudaStreamCreateWithPriority(&handle_, cudaStreamNonBlocking, priority == Priority::high ? greatest : least),
        "cudaStreamCreateWithPriority");
    if (owner.trace && owner.trace->on()) spans_ = std::make_unique<CudaSpans>(handle_, ordinal, owner);
}

CudaStream::~CudaStream() {
    cuda::warn(cudaStreamSynchronize(handle_), "cudaStreamSynchronize");
    spans_.reset();
    cuda::warn(cudaStreamDestroy(handle_), "cudaStreamDestroy");
}

std::uint64_t CudaStream::begin_span(const char* what) { return spans_ ? spans_->begin(what) : 0; }

void CudaStream::end_span(std::uint64_t number) noexcept {
    if (spans_) spans_->end(number);
}

void CudaStream::enqueue(const char* what, std::function<void()> work) {
    StreamSpan span(*this, what);
    struct Task {
        std::shared_ptr<Failure> failure;
        std::function<void()> work;
    };
    auto task = std::make_unique<Task>(Task{failure_, std::move(work)});
    auto run = [](void* data) {
        std::unique_ptr<Task> t(static_cast<Task*>(data));
        std::lock_guard lock(t->failure->mutex);
        if (t->failure->first) return;
        try {
            t->work();
        } catch (...) {
            t->failure->first = std::current_exception();
        }
    };
    cuda::check(cudaLaunchHostFunc(handle_, run, task.get()), "cudaLaunchHostFunc");
    (void)task.release();  // the stream's
}

void CudaStream::fill(std::byte* to, int value, std::size_t bytes) {
    if (bytes == 0) return;
    StreamSpan span(*this, "fill");
    cuda::check(cudaMemsetAsync(to, value, bytes, handle_), "cudaMemsetAsync");
}

void CudaStream::copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes == 0) return;
    StreamSpan span(*this, "copy");
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, handle_), "cudaMemcpyAsync");
}

Event CudaStream::record() {
    OnDevice here(ordinal_);
    auto event = std::make_shared<CudaEvent>();
    cuda::check(cudaEventRecord(event->handle, handle_), "cudaEventRecord");
    return Event(std::move(event));
}

void CudaStream::wait(const Event& event) {
    if (!event.state()) return;
    StreamSpan span(*this, "wait");
    cuda::check(cudaStreamWaitEvent(handle_, static_cast<CudaEvent*>(event.state())->handle, 0), "cudaStreamWaitEvent");
}

void CudaStream::synchronize() {
    poll(abort_, "cudaStreamQuery", [&] { return cudaStreamQuery(handle_); });
    cuda::check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize");
    std::lock_guard lock(failure_->mutex);
    if (failure_->first) std::rethrow_exception(failure_->first);
}

void wait_on_host(const Event& event, const AbortSignal& abort) {
    if (!event.state()) return;
    cudaEvent_t handle = static_cast<CudaEvent*>(event.state())->handle;
    poll(abort, "cudaEventQuery", [&] { return cudaEventQuery(handle); });
}

OnDevice::OnDevice(int ordinal) {
    cuda::check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != ordinal) cuda::check(cudaSetDevice(ordinal), "cudaSetDevice");
}

OnDevice::~OnDevice() {
    int now = before_;
    if (cudaGetDevice(&now) == cudaSuccess && now != before_) cuda::warn(cudaSetDevice(before_), "cudaSetDevice");
}

}  // namespace tandem
