// In-order queues of work and the points in them. A rank has one stream each for compute, gather and reduce.
// On the CPU the compute stream runs its work inline and each copy stream has a worker thread; on the plan device
// nothing runs. On CUDA all are the card's own.
#pragma once
#include <cstddef>
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
};

}  // namespace tandem
