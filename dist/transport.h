// How bytes move between ranks. One per rank; everything that takes a stream is enqueued on it and returns at once. A
// transport knows no formats and no units: a tag only tells that all ranks mean the same.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/dtype.h"
#include "runtime/stream.h"

namespace tandem {

enum class TransportKind { automatic, host, peer, nccl };

class Transport {
  public:
    virtual ~Transport() = default;
    virtual int rank() const = 0;
    virtual int world_size() const = 0;

    // Once, by all ranks: from here until the launch ends peers may read `memory`, of equal size on every rank.
    virtual void publish(std::span<const std::byte> memory) = 0;

    // Once, by all ranks, when each has loaded what it published by what `stream` holds now: peers read it after that.
    virtual void loaded(Stream& stream) = 0;

    // One-sided: out + r * bytes gets bytes [offset, offset + bytes) of what rank r published, for every rank r. What
    // is read must not change any more; no peer takes part.
    virtual void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) = 0;

    // out + r * mine.size() gets rank r's `mine`, for every rank r. The k-th call of each rank meets the k-th of the
    // others. Done when all ranks have read: `mine` may change then.
    virtual void all_gather(Stream& stream, int tag, std::span<const std::byte> mine, std::byte* out) = 0;

    // buffer: world_size parts of `elements` each. Adds to `range` the sum over ranks r, in rank order, of this rank's
    // part of r's buffer. f32 or f64. Meets as all_gather does. Done when all ranks have read: buffers may change then.
    struct ReduceScatter {
        DType dtype;
        std::byte* buffer;  // spent: a transport may write into it
        std::byte* range;
        std::int64_t elements;
    };
    virtual void reduce_scatter(Stream& stream, int tag, const ReduceScatter& work) = 0;

    // After a failure: nothing in this rank's streams goes on waiting for a peer.
    virtual void stop() {}
};

}  // namespace tandem
