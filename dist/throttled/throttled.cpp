#include "dist/throttled/throttled.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/abort.h"

namespace tandem {

namespace {

using Clock = std::chrono::steady_clock;

class Throttled final : public Transport {
  public:
    Throttled(std::unique_ptr<Transport> inner, const Link& link, const AbortSignal& abort)
        : inner_(std::move(inner)), link_(link), abort_(abort) {
        if (!(link.bytes_per_second > 0) || !(link.latency >= 0))
            throw InputError(
                fmt::format("[throttled] expected a link of more than 0 bytes/s and no negative latency, got {} "
                            "bytes/s and {} s",
                            link.bytes_per_second, link.latency));
    }
    int rank() const override { return inner_->rank(); }
    int world_size() const override { return inner_->world_size(); }
    void publish(std::span<const std::byte> memory) override { inner_->publish(memory); }
    void loaded(Stream& stream) override { inner_->loaded(stream); }
    void stop() override { inner_->stop(); }

    void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) override {
        begin(stream);
        inner_->gather_published(stream, offset, bytes, out);
        end(stream, bytes);
    }
    void all_gather(Stream& stream, int tag, std::span<const std::byte> mine, std::byte* out) override {
        begin(stream);
        inner_->all_gather(stream, tag, mine, out);
        end(stream, mine.size());
    }
    void reduce_scatter(Stream& stream, int tag, const ReduceScatter& work) override {
        inner_->reduce_scatter(stream, tag, work);
    }

  private:
    void begin(Stream& stream) {
        stream.enqueue("link", [this] { began_ = Clock::now(); });
    }
    // Sleeps until the link would be done: a slow link costs no core.
    void end(Stream& stream, std::size_t bytes) {
        double seconds = link_.latency + double(bytes) * (world_size() - 1) / link_.bytes_per_second;
        stream.enqueue("link", [this, seconds] {
            const std::chrono::duration<double> longest(0.02);  // between two looks at the abort signal
            for (;;) {
                abort_.check();
                auto left = std::chrono::duration<double>(seconds) - (Clock::now() - began_);
                if (left.count() <= 0) return;
                std::this_thread::sleep_for(std::min<std::chrono::duration<double>>(left, longest));
            }
        });
    }

    std::unique_ptr<Transport> inner_;
    const Link link_;
    const AbortSignal& abort_;
    Clock::time_point began_;  // of the gather under way; touched on the gather stream only
};

}  // namespace

std::unique_ptr<Transport> make_throttled(std::unique_ptr<Transport> inner, const Link& link,
                                          const AbortSignal& abort) {
    return std::make_unique<Throttled>(std::move(inner), link, abort);
}

}  // namespace tandem
