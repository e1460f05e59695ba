#include "dist/peer/peer_transport.h"

#include <fmt/core.h>

#include <optional>

#include "dist/peer/add_ranges.h"
#include "dist/peer/host_exchange.h"
#include "dist/peer/staged_copy.h"
#include "runtime/cuda/cards.h"
#include "runtime/error.h"

namespace tandem {

namespace {

// What a rank tells the others of its part of a collective. It stands until all have met again at the end.
struct Part {
    const std::byte* data;
    Event ready;  // to be waited for before data is read
};

class PeerTransport final : public Transport {
  public:
    PeerTransport(HostGroup& group, int rank, const std::vector<int>& cards)
        : group_(group), rank_(rank), cards_(cards), staged_(cards.size()) {
        if (cards.size() > std::size_t(most_parts))
            throw InputError(fmt::format("[peer] expected at most {} ranks, got {}; set {} to nccl", most_parts,
                                         cards.size(), setting("transport")));
        const int card = cards[std::size_t(rank)];
        bool direct = true;
        for (std::size_t r = 0; r < cards.size(); r++)
            if (!verified_peer_access(card, cards[r])) {
                staged_[r] = std::make_unique<StagedCopy>(cards[r], group.abort);
                direct = false;
            }
        bool all_direct = true;
        for (const void* theirs : group.control.meet(rank, "peer access", 0, &direct))
            all_direct = all_direct && *static_cast<const bool*>(theirs);
        if (!all_direct) exchange_.emplace(group.reduce, rank, group.world_size, card, group.abort);
        group.control.meet(rank, "end of peer access", 0, nullptr);
    }
    int rank() const override { return rank_; }
    int world_size() const override { return group_.world_size; }

    void publish(std::span<const std::byte> memory) override {
        auto all = group_.control.meet(rank_, "publish", memory.size(), memory.data());
        for (const void* data : all) published_.push_back(static_cast<const std::byte*>(data));
    }

    void loaded(Stream& stream) override {
        mine_ = {nullptr, stream.record()};
        auto all = group_.control.meet(rank_, "loaded", 0, &mine_);
        for (const void* part : all) loaded_.push_back(static_cast<const Part*>(part)->ready);
        group_.control.meet(rank_, "end of loaded", 0, nullptr);
    }

    void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) override {
        for (std::size_t r = 0; r < published_.size(); r++)
            pull(stream, r, out + r * bytes, {published_[r] + offset, loaded_.at(r)}, bytes);
    }

    void all_gather(Stream& stream, int tag, std::span<const std::byte> mine, std::byte* out) override {
        meet(group_.gather, stream, "all-gather of unit", tag, mine.data(), [&](std::span<const Part> parts) {
            for (std::size_t r = 0; r < parts.size(); r++)
                pull(stream, r, out + r * mine.size(), parts[r], mine.size());
        });
    }

    void reduce_scatter(Stream& stream, int tag, const ReduceScatter& work) override {
        const std::size_t bytes = std::size_t(work.elements) * size_of(work.dtype);
        if (exchange_) {
            exchange_->run(stream, tag, work.buffer, bytes);
            std::vector<const std::byte*> parts;
            for (std::size_t r = 0; r < cards_.size(); r++) parts.push_back(work.buffer + r * bytes);
            return add(stream, work, parts);
        }
        meet(group_.reduce, stream, "reduce-scatter of unit", tag, work.buffer, [&](std::span<const Part> all) {
            std::vector<const std::byte*> parts;
            for (const Part& part : all) {
                stream.wait(part.ready);
                parts.push_back(part.data + std::size_t(rank_) * bytes);
            }
            add(stream, work, parts);
        });
    }

  private:
    void pull(Stream& stream, std::size_t owner, std::byte* to, const Part& from, std::size_t bytes) {
        if (staged_[owner]) return staged_[owner]->copy(stream, to, from.data, bytes, from.ready);
        stream.wait(from.ready);
        stream.copy(to, from.data, bytes);
    }

    static void add(Stream& stream, const ReduceScatter& work, const std::vector<const std::byte*>& parts) {
        StreamSpan span(stream, "add");
        add_ranges(static_cast<CudaStream&>(stream).handle(), work.dtype, work.range, parts, work.elements);
    }

    // Runs `work` between two meetings: all have said where their bytes are; `stream` goes on when all have read.
    template <class F>
    void meet(Meeting& place, Stream& stream, const char* what, int tag, const std::byte* data, F work) {
        Part& mine = &place == &group_.gather ? gathering_ : reducing_;
        mine = {data, stream.record()};
        std::vector<Part> parts;
        for (const void* p : place.meet(rank_, what, std::uint64_t(tag), &mine))
            parts.push_back(*static_cast<const Part*>(p));
        work(std::span<const Part>(parts));
        Event& done = &place == &group_.gather ? gathered_ : reduced_;
        done = stream.record();
        for (const void* e : place.meet(rank_, "end of a collective on unit", std::uint64_t(tag), &done))
            stream.wait(*static_cast<const Event*>(e));
    }

    HostGroup& group_;
    const int rank_;
    const std::vector<int> cards_;
    std::vector<std::unique_ptr<StagedCopy>> staged_;  // by owner; null where its memory is read directly
    std::optional<HostExchange> exchange_;             // where any two ranks' cards cannot reach each other
    std::vector<const std::byte*> published_;
    std::vector<Event> loaded_;
    Part mine_, gathering_, reducing_;
    Event gathered_, reduced_;
};

}  // namespace

std::unique_ptr<Transport> make_peer_transport(HostGroup& group, int rank, const std::vector<int>& cards) {
    return std::make_unique<PeerTransport>(group, rank, cards);
}

}  // namespace tandem
