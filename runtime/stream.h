// In-order queues of work and the points in them. A rank has one stream each for compute, gather and reduce.
// On the CPU the compute stream runs its work inline and each copy stream has a worker thread; on the plan device
// nothing runs. On CUDA all are the card's own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace tandem {

// A point in a stream. Copies name the same point. A default-made event has passed already.
class Event {
  public:
    struct State {  // of the device kind; streams of different kinds never wait for each other
        virtual ~State() = default;
    };
    Event() = default;
    explicit Event(std::shared_ptr<State> state) : state_(std::move(state)) {}
    State* state() const { return state_.get(); }

  private:
    std::shared_ptr<State> state_;
};

class Stream {
  public:
    virtual ~Stream() = default;
    // Host work, in order with everything else in this stream. `what` must outlive the stream (a literal); it names the
    // work in traces. An exception in it fails the stream: later work is dropped, and every wait for it rethrows.
    virtual void enqueue(const char* what, std::function<void()> work) = 0;
    // Memory of the stream's device, or host memory that it copies from directly.
    virtual void fill(std::byte* to, int value, std::size_t bytes) = 0;  // every byte
    virtual void copy(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
    virtual Event record() = 0;
    virtual void wait(const Event& event) = 0;  // work enqueued from here on runs after the event has passed
    virtual void synchronize() = 0;             // the calling thread waits until all work is done

  private:
    friend class StreamSpan;
    virtual std::uint64_t begin_span(const char*) { return 0; }
    virtual void end_span(std::uint64_t) noexcept {}
};

// Names in traces what its scope enqueues on a stream of the rank's own thread; spans nest. What enqueue, fill, copy
// and wait do is a span of itself.
class StreamSpan {
  public:
    StreamSpan(Stream& stream, const char* what)  // a literal
        : stream_(stream), number_(stream.begin_span(what)) {}
    ~StreamSpan() { stream_.end_span(number_); }
    StreamSpan(const StreamSpan&) = delete;

  private:
    Stream& stream_;
    const std::uint64_t number_;
};

}  // namespace tandem
