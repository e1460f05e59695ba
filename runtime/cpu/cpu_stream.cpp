#include "runtime/cpu/cpu_stream.h"

#include <cstring>
#include <deque>
#include <thread>
#include <vector>

#include "runtime/abort.h"
#include "runtime/trace.h"

namespace tandem {

namespace {

struct CpuEvent final : Event::State {
    std::mutex mutex;
    std::condition_variable changed;
    bool passed = false;
    std::exception_ptr failure;

    void pass(std::exception_ptr why) {
        {
            std::lock_guard lock(mutex);
            passed = true;
            failure = std::move(why);
        }
        changed.notify_all();
    }
    void wait(const AbortSignal& abort) {
        std::unique_lock lock(mutex);
        abort.wait(changed, lock, [&] { return passed; });
        if (failure) std::rethrow_exception(failure);
    }
};

void wait_for(const Event& event, const AbortSignal& abort) { static_cast<CpuEvent*>(event.state())->wait(abort); }

class CpuStream : public Stream {
  public:
    void fill(std::byte* to, int value, std::size_t bytes) override {
        if (bytes > 0) enqueue("fill", [=] { std::memset(to, value, bytes); });
    }
    void copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
        if (bytes > 0) enqueue("copy", [=] { std::memcpy(to, from, bytes); });
    }
};

class InlineStream final : public CpuStream {
  public:
    explicit InlineStream(const StreamOwner& owner) : owner_(owner) {}
    void enqueue(const char* what, std::function<void()> work) override {
        TraceScope scope(owner_.trace, owner_.rank, owner_.lane, what);
        work();
    }
    Event record() override { return Event(); }
    void wait(const Event& event) override {
        if (!event.state()) return;
        TraceScope scope(owner_.trace, owner_.rank, owner_.lane, "wait");
        wait_for(event, *owner_.abort);
    }
    void synchronize() override {}

  private:
    bool traced() const { return owner_.trace && owner_.trace->on(); }
    std::uint64_t begin_span(const char* what) override {
        if (traced()) open_.push_back({what, owner_.rank, owner_.lane, Trace::Clock::now(), {}});
        return 0;
    }
    void end_span(std::uint64_t) noexcept override {
        if (!traced()) return;
        open_.back().end = Trace::Clock::now();
        owner_.trace->add(open_.back());
        open_.pop_back();
    }

    StreamOwner owner_;
    std::vector<Trace::Span> open_;
};

class WorkerStream final : public CpuStream {
  public:
    explicit WorkerStream(const StreamOwner& owner) : owner_(owner), thread_([this] { serve(); }) {}
    ~WorkerStream() override {
        {
            std::lock_guard lock(mutex_);
            quit_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    void enqueue(const char* what, std::function<void()> work) override { push({what, std::move(work), nullptr}); }
    Event record() override {
        auto state = std::make_shared<CpuEvent>();
        push({nullptr, {}, state});
        return Event(state);
    }
    void wait(const Event& event) override {
        if (event.state()) push({"wait", [this, event] { wait_for(event, *owner_.abort); }, nullptr});
    }
    void synchronize() override {
        Event here = record();
        wait_for(here, *owner_.abort);
    }

  private:
    struct Task {
        const char* what;
        std::function<void()> work;
        std::shared_ptr<CpuEvent> marker;
    };

    void push(Task task) {
        {
            std::lock_guard lock(mutex_);
            queue_.push_back(std::move(task));
        }
        changed_.notify_all();
    }

    void serve() {
        for (;;) {
            Task task;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return quit_ || !queue_.empty(); });
                if (quit_) break;
                task = std::move(queue_.front());
                queue_.pop_front();
            }
            run(task);
        }
        std::lock_guard lock(mutex_);
        for (Task& task : queue_)
            if (task.marker) task.marker->pass(std::make_exception_ptr(Aborted("[stream] dropped at shutdown")));
    }

    void run(Task& task) {
        if (task.marker) return task.marker->pass(failure_);
        if (failure_) return;
        try {
            TraceScope scope(owner_.trace, owner_.rank, owner_.lane, task.what);
            task.work();
        } catch (...) {
            failure_ = std::current_exception();
        }
    }

    StreamOwner owner_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> queue_;
    bool quit_ = false;
    std::exception_ptr failure_;  // touched by the worker only
    std::thread thread_;          // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Stream> make_inline_stream(const StreamOwner& owner) { return std::make_unique<InlineStream>(owner); }
std::unique_ptr<Stream> make_worker_stream(const StreamOwner& owner) { return std::make_unique<WorkerStream>(owner); }

}  // namespace tandem
