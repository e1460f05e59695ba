#include <fmt/core.h>
#include <nccl.h>

#include <set>
#include <thread>

#include "dist/nccl/nccl_transport.h"
#include "dist/peer/add_ranges.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/error.h"

namespace tandem {

namespace {

constexpr int least_version = 22700;  // 2.27: the first for sm_120

class Communicator {
  public:
    Communicator(HostGroup& group, int rank, int card) : group_(group), rank_(rank) {
        OnDevice here(card);
        ncclUniqueId id{};
        if (rank == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
        ncclUniqueId first = *static_cast<const ncclUniqueId*>(group.control.meet(rank, "nccl id", 0, &id)[0]);
        group.control.meet(rank, "end of nccl id", 0, nullptr);
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        config.blocking = 0;
        check(ncclCommInitRankConfig(&handle_, group.world_size, first, rank, &config), "ncclCommInitRankConfig");
    }
    ~Communicator() {
        if (!handle_) return;
        if (group_.abort.raised()) {
            ncclCommAbort(handle_);
            return;
        }
        ncclResult_t state = ncclCommFinalize(handle_);
        while (state == ncclInProgress && !group_.abort.raised())
            if (ncclCommGetAsyncError(handle_, &state) != ncclSuccess) break;
        ncclCommDestroy(handle_);
    }
    Communicator(const Communicator&) = delete;

    ncclComm_t handle() const { return handle_; }
    void abort() {
        if (handle_) ncclCommAbort(handle_);
        handle_ = nullptr;
    }

    // Waits until the call has been taken on, or throws what became of it.
    void check(ncclResult_t result, const char* call) {
        while (result == ncclInProgress) {
            group_.abort.check();
            std::this_thread::yield();
            ncclResult_t asked = ncclCommGetAsyncError(handle_, &result);
            if (asked != ncclSuccess) result = asked;
        }
        if (result == ncclSuccess) return;
        throw Error(fmt::format("[nccl] {} failed on rank {}: {} ({}); set {} to peer, or see NCCL_DEBUG=INFO", call,
                                rank_, ncclGetErrorString(result), ncclGetLastError(handle_), setting("transport")));
    }

  private:
    HostGroup& group_;
    const int rank_;
    ncclComm_t handle_ = nullptr;
};

class NcclTransport final : public Transport {
  public:
    NcclTransport(HostGroup& group, int rank, int card)
        : rank_(rank), size_(group.world_size), comm_(group, rank, card) {}
    int rank() const override { return rank_; }
    int world_size() const override { return size_; }
    void publish(std::span<const std::byte> memory) override { published_ = memory; }
    // A rank sends by itself, from the stream that waits for what it loaded.
    void loaded(Stream& stream) override { loaded_ = stream.record(); }

    // All ranks follow one schedule: they come here for the same bytes in the same order.
    void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) override {
        stream.wait(loaded_);
        gather(stream, published_.subspan(offset, bytes), out);
    }

    void all_gather(Stream& stream, int, std::span<const std::byte> mine, std::byte* out) override {
        gather(stream, mine, out);
    }

    // The sum lands in this rank's own part of the buffer. Two numbers have one sum: at two ranks the bits are those of
    // every other transport.
    void reduce_scatter(Stream& stream, int, const ReduceScatter& work) override {
        const std::size_t bytes = std::size_t(work.elements) * size_of(work.dtype);
        std::byte* own = work.buffer + std::size_t(rank_) * bytes;
        stream.wait(last_);
        StreamSpan span(stream, "reduce");
        comm_.check(ncclReduceScatter(work.buffer, own, std::size_t(work.elements),
                                      work.dtype == DType::f64 ? ncclFloat64 : ncclFloat32, ncclSum, comm_.handle(),
                                      handle_of(stream)),
                    "ncclReduceScatter");
        last_ = stream.record();
        const std::byte* sum = own;
        add_ranges(handle_of(stream), work.dtype, work.range, std::span(&sum, 1), work.elements);
    }

    void stop() override { comm_.abort(); }

  private:
    static cudaStream_t handle_of(Stream& stream) { return static_cast<CudaStream&>(stream).handle(); }

    void gather(Stream& stream, std::span<const std::byte> mine, std::byte* out) {
        if (mine.empty()) return;
        stream.wait(last_);
        StreamSpan span(stream, "gather");
        comm_.check(ncclAllGather(mine.data(), out, mine.size(), ncclUint8, comm_.handle(), handle_of(stream)),
                    "ncclAllGather");
        last_ = stream.record();
    }

    const int rank_, size_;
    Communicator comm_;
    std::span<const std::byte> published_;
    Event loaded_;
    Event last_;  // a communicator's operations run in the order of their issue, on whatever streams
};

}  // namespace

std::unique_ptr<Transport> make_nccl_transport(HostGroup& group, int rank, const std::vector<int>& cards) {
    if (std::set<int>(cards.begin(), cards.end()).size() != cards.size())
        throw InputError("[nccl] expected each card once, NCCL refuses two ranks on one; set " + setting("transport") +
                         " to peer");
    int version = 0;
    if (ncclGetVersion(&version) != ncclSuccess || version < least_version)
        throw InputError(
            fmt::format("[nccl] expected NCCL {} or newer, got {}; set {} to peer", least_version, version,
                        setting("transport")));
    return std::make_unique<NcclTransport>(group, rank, cards[std::size_t(rank)]);
}

}  // namespace tandem
