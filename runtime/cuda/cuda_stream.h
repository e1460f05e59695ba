// Streams of a CUDA rank. An Event of one may be waited for by any stream of any card, and by the host.
#pragma once
#include <memory>

#include "runtime/stream.h"
#include "runtime/stream_owner.h"

struct CUstream_st;
struct CUevent_st;

namespace tandem {

class CudaSpans;

class CudaStream final : public Stream {
  public:
    // Copy streams are of higher priority, so that the next weights never wait behind this layer's kernels.
    enum class Priority { normal, high };
    CudaStream(int ordinal, Priority priority, const StreamOwner& owner);
    ~CudaStream() override;
    CudaStream(const CudaStream&) = delete;

    void enqueue(const char* what, std::function<void()> work) override;  // must not call CUDA
    void fill(std::byte* to, int value, std::size_t bytes) override;
    void copy(std::byte* to, const std::byte* from, std::size_t bytes) override;
    Event record() override;
    void wait(const Event& event) override;
    void synchronize() override;  // throws Aborted when another rank failed

    int ordinal() const { return ordinal_; }
    CUstream_st* handle() const { return handle_; }

  private:
    std::uint64_t begin_span(const char* what) override;
    void end_span(std::uint64_t number) noexcept override;

    struct Failure;  // of host work
    int ordinal_;
    const AbortSignal& abort_;
    CUstream_st* handle_ = nullptr;
    std::shared_ptr<Failure> failure_;
    std::unique_ptr<CudaSpans> spans_;  // null: no trace
};

// The host waits until the event has passed.
void wait_on_host(const Event& event, const AbortSignal& abort);

// The calling thread's current device is `ordinal` for a scope.
class OnDevice {
  public:
    explicit OnDevice(int ordinal);
    ~OnDevice();
    OnDevice(const OnDevice&) = delete;

  private:
    int before_ = 0;
};

}  // namespace tandem
