// What ran when in a stream of a card, by timing events around it; for traces.
#pragma once
#include <cstdint>
#include <deque>
#include <mutex>

#include "runtime/stream_owner.h"
#include "runtime/trace.h"

struct CUstream_st;
struct CUevent_st;

namespace tandem {

// Times are the card's, set against the host's clock when the stream is made: lanes of one trace fit to about the time
// that an event takes from host to card and back.
class CudaSpans {
  public:
    CudaSpans(CUstream_st* stream, int ordinal, const StreamOwner& owner);
    ~CudaSpans();  // the stream is idle
    CudaSpans(const CudaSpans&) = delete;

    // Of what any thread enqueues from here to end(number).
    std::uint64_t begin(const char* what);
    void end(std::uint64_t number) noexcept;

  private:
    struct Span {
        const char* what;
        CUevent_st *begin, *end;  // end: null until it is recorded
    };
    CUevent_st* record();
    void collect();  // what has passed, to the trace

    CUstream_st* const stream_;
    const int ordinal_;
    const StreamOwner owner_;
    CUevent_st* clock_ = nullptr;
    Trace::Clock::time_point clock_time_;  // when it passed
    std::deque<Span> spans_;               // not yet in the trace
    std::uint64_t first_ = 0;              // the number of the first of them
    std::mutex mutex_;
};

}  // namespace tandem
