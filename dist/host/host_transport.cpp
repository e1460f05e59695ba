#include <algorithm>
#include <cstring>

#include "dist/failure.h"
#include "dist/host/host_group.h"

namespace tandem {

namespace {

constexpr std::size_t piece_bytes = 1u << 20;  // copied or added between two looks at the abort signal

// range += ((b[0] + b[1]) + b[2]) + …, each buffer from element `begin` on.
template <class T>
void add_in_rank_order(T* range, std::span<const void* const> buffers, std::int64_t begin, std::int64_t count) {
    constexpr std::int64_t block = 1024;  // stays in cache over the ranks
    T sum[block];
    for (std::int64_t at = 0; at < count; at += block) {
        const std::int64_t n = std::min(block, count - at);
        std::memcpy(sum, static_cast<const T*>(buffers[0]) + begin + at, std::size_t(n) * sizeof(T));
        for (std::size_t r = 1; r < buffers.size(); r++) {
            const T* b = static_cast<const T*>(buffers[r]) + begin + at;
            for (std::int64_t i = 0; i < n; i++) sum[i] += b[i];
        }
        for (std::int64_t i = 0; i < n; i++) range[at + i] += sum[i];
    }
}

class HostTransport final : public Transport {
  public:
    HostTransport(HostGroup& group, int rank) : group_(group), rank_(rank) {}
    int rank() const override { return rank_; }
    int world_size() const override { return group_.world_size; }

    void publish(std::span<const std::byte> memory) override {
        auto all = group_.control.meet(rank_, "publish", memory.size(), memory.data());
        peers_.assign(all.begin(), all.end());
    }

    // Ranks load by themselves, and meet afterwards: there is nothing in a CPU stream to wait for.
    void loaded(Stream&) override {}

    void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) override {
        enqueue(stream, "gather", [this, offset, bytes, out] {
            for (std::size_t r = 0; r < peers_.size(); r++)
                copy(out + r * bytes, static_cast<const std::byte*>(peers_[r]) + offset, bytes);
        });
    }

    void all_gather(Stream& stream, int tag, std::span<const std::byte> mine, std::byte* out) override {
        enqueue(stream, "gather.trainable", [this, tag, mine, out] {
            auto all = group_.gather.meet(rank_, "all-gather of unit", std::uint64_t(tag), mine.data());
            for (std::size_t r = 0; r < all.size(); r++)
                copy(out + r * mine.size(), static_cast<const std::byte*>(all[r]), mine.size());
            group_.gather.meet(rank_, "end of all-gather of unit", std::uint64_t(tag), nullptr);
        });
    }

    void reduce_scatter(Stream& stream, int tag, const ReduceScatter& work) override {
        enqueue(stream, "reduce", [this, tag, work] {
            auto all = group_.reduce.meet(rank_, "reduce-scatter of unit", std::uint64_t(tag), work.buffer);
            if (work.dtype == DType::f64)
                add<double>(work, all);
            else
                add<float>(work, all);
            group_.reduce.meet(rank_, "end of reduce-scatter of unit", std::uint64_t(tag), nullptr);
        });
    }

  private:
    // A failure on a copy thread ends the run at once: its own rank may be waiting for a peer that waits for this
    // thread.
    template <class F> void enqueue(Stream& stream, const char* what, F work) {
        stream.enqueue(what, [this, work] {
            try {
                work();
            } catch (const Aborted&) {
                throw;
            } catch (...) {
                group_.abort.raise(named_failure(rank_, std::current_exception()));
                throw;
            }
        });
    }

    void copy(std::byte* to, const std::byte* from, std::size_t bytes) const {
        for (std::size_t at = 0; at < bytes; at += piece_bytes) {
            group_.abort.check();
            std::memcpy(to + at, from + at, std::min(piece_bytes, bytes - at));
        }
    }

    template <class T> void add(const ReduceScatter& work, std::span<const void* const> buffers) const {
        constexpr std::int64_t piece = piece_bytes / sizeof(T);
        T* range = reinterpret_cast<T*>(work.range);
        for (std::int64_t at = 0; at < work.elements; at += piece) {
            group_.abort.check();
            add_in_rank_order(range + at, buffers, rank_ * work.elements + at, std::min(piece, work.elements - at));
        }
    }

    HostGroup& group_;
    const int rank_;
    std::vector<const void*> peers_;
};

}  // namespace

std::unique_ptr<Transport> make_host_transport(HostGroup& group, int rank) {
    return std::make_unique<HostTransport>(group, rank);
}

}  // namespace tandem
