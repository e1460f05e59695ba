// What ran when, in Chrome's trace format (chrome://tracing, Perfetto). One lane per stream of a rank.
#pragma once
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace tandem {

class Trace {
  public:
    using Clock = std::chrono::steady_clock;
    struct Span {
        const char* name;
        int rank;
        const char* lane;  // "compute", "gather", "reduce"
        Clock::time_point begin, end;
    };

    explicit Trace(bool on) : on_(on) {}
    bool on() const { return on_; }
    void add(const Span& span) {
        std::lock_guard lock(mutex_);
        spans_.push_back(span);
    }
    std::vector<Span> spans() const {
        std::lock_guard lock(mutex_);
        return spans_;
    }
    void write(const std::filesystem::path& file) const;  // an Error names the file

  private:
    bool on_;
    mutable std::mutex mutex_;
    std::vector<Span> spans_;
};

// Spans its own scope; free when the trace is off or null.
class TraceScope {
  public:
    TraceScope(Trace* trace, int rank, const char* lane, const char* name)
        : trace_(trace && trace->on() ? trace : nullptr), span_{name, rank, lane, {}, {}} {
        if (trace_) span_.begin = Trace::Clock::now();
    }
    ~TraceScope() {
        if (!trace_) return;
        span_.end = Trace::Clock::now();
        trace_->add(span_);
    }
    TraceScope(const TraceScope&) = delete;

  private:
    Trace* trace_;
    Trace::Span span_;
};

}  // namespace tandem
