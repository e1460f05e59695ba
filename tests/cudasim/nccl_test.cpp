// The NCCL slice: every rank is a thread with a device of its own.
#include <doctest/doctest.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <thread>

#include "tests/cudasim/kernels/support.h"

using namespace cudasim;

namespace {

bool reported(const char* words) {
    const auto reports = take_reports();
    return !reports.empty() && reports[0].find(words) != std::string::npos;
}

void on_two_ranks(const std::function<void(int rank, const ncclUniqueId& id)>& rank_main) {
    ncclUniqueId id;
    REQUIRE(ncclGetUniqueId(&id) == ncclSuccess);
    std::vector<std::thread> ranks;
    for (int r = 0; r < 2; ++r)
        ranks.emplace_back([&, r] {
            must(cudaSetDevice(r));
            rank_main(r, id);
        });
    for (auto& t : ranks) t.join();
}

ncclComm_t join(int rank, const ncclUniqueId& id) {
    ncclComm_t comm = nullptr;
    CHECK(ncclCommInitRank(&comm, 2, id, rank) == ncclSuccess);
    return comm;
}

// Until the last call has ended. What it ended with.
ncclResult_t poll(ncclComm_t comm) {
    ncclResult_t result = ncclInProgress;
    while (result == ncclInProgress) {
        CHECK(ncclCommGetAsyncError(comm, &result) == ncclSuccess);
        std::this_thread::yield();
    }
    return result;
}

template <class T> void check_type(ncclDataType_t type, ncclComm_t comm, int rank) {
    const Stream s;
    std::vector<T> values(8);
    for (int i = 0; i < 8; ++i) values[i] = T(float(i + 10 * rank));
    const DeviceArray<T> all(values), shard(4), gathered(8), sent(values);
    CHECK(ncclReduceScatter(all, shard, 4, type, ncclSum, comm, s) == ncclSuccess);
    CHECK(ncclAllGather(shard, gathered, 4, type, comm, s) == ncclSuccess);
    CHECK(ncclAllReduce(all, all, 8, type, ncclSum, comm, s) == ncclSuccess);
    CHECK(ncclBroadcast(sent, sent, 8, type, 1, comm, s) == ncclSuccess);
    const auto g = gathered.get(), a = all.get(), b = sent.get();
    for (int i = 0; i < 8; ++i) {
        CHECK(float(g[i]) == 2 * i + 10);
        CHECK(float(a[i]) == 2 * i + 10);
        CHECK(float(b[i]) == i + 10);
    }
}

}  // namespace

TEST_CASE("cudasim: NCCL's collectives in every type") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        check_type<float>(ncclFloat32, comm, rank);
        check_type<double>(ncclFloat64, comm, rank);
        check_type<__nv_bfloat16>(ncclBfloat16, comm, rank);
        check_type<int>(ncclInt32, comm, rank);
        check_type<long long>(ncclInt64, comm, rank);
        check_type<unsigned char>(ncclUint8, comm, rank);
        int value = -1;
        CHECK(ncclCommCount(comm, &value) == ncclSuccess);
        CHECK(value == 2);
        CHECK(ncclCommUserRank(comm, &value) == ncclSuccess);
        CHECK(value == rank);
        CHECK(ncclCommCuDevice(comm, &value) == ncclSuccess);
        CHECK(value == rank);
        CHECK(ncclCommFinalize(comm) == ncclSuccess);
        CHECK(ncclCommDestroy(comm) == ncclSuccess);
    });
    int version = 0;
    CHECK(ncclGetVersion(&version) == ncclSuccess);
    CHECK(version == NCCL_VERSION_CODE);
    CHECK(take_reports().empty());
}

TEST_CASE("cudasim: NCCL in place: a rank's shard stands within the whole") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(8, float(rank + 1)));
        CHECK(ncclAllGather(x + 4 * rank, x, 4, ncclFloat32, comm, s) == ncclSuccess);
        CHECK(x.get() == std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2});
        CHECK(ncclReduceScatter(x, x + 4 * rank, 4, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        CHECK(x.get()[4 * rank] == 2 * (rank + 1));
        CHECK(ncclCommDestroy(comm) == ncclSuccess);
    });
}

TEST_CASE("cudasim: NCCL groups issue their calls at their end") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(4, 1.0f)), y(std::vector<float>(4, 2.0f));
        CHECK(ncclGroupStart() == ncclSuccess);
        CHECK(ncclAllReduce(x, x, 4, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        CHECK(ncclGroupStart() == ncclSuccess);
        CHECK(ncclAllReduce(y, y, 4, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        CHECK(ncclGroupEnd() == ncclSuccess);
        CHECK(x.get()[0] == 1);  // not yet
        CHECK(ncclGroupEnd() == ncclSuccess);
        CHECK(x.get()[3] == 2);
        CHECK(y.get()[3] == 4);
        CHECK(ncclCommDestroy(comm) == ncclSuccess);
    });
    CHECK(ncclGroupEnd() == ncclInvalidArgument);
    CHECK(reported("ncclGroupStart"));
}

TEST_CASE("cudasim: one thread makes all communicators in a group") {
    ncclUniqueId id;
    REQUIRE(ncclGetUniqueId(&id) == ncclSuccess);
    ncclComm_t comms[2];
    CHECK(ncclGroupStart() == ncclSuccess);
    for (int r = 0; r < 2; ++r) {
        must(cudaSetDevice(r));
        CHECK(ncclCommInitRank(&comms[r], 2, id, r) == ncclSuccess);
    }
    CHECK(ncclGroupEnd() == ncclSuccess);
    for (const ncclComm_t comm : comms) CHECK(ncclCommDestroy(comm) == ncclSuccess);
    must(cudaSetDevice(0));
}

TEST_CASE("cudasim: non-blocking NCCL acts when it is polled, and must be") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        config.blocking = 0;
        ncclComm_t comm = nullptr;
        CHECK(ncclCommInitRankConfig(&comm, 2, id, rank, &config) == ncclInProgress);
        CHECK(poll(comm) == ncclSuccess);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(4, float(rank + 1)));
        CHECK(ncclAllReduce(x, x, 4, ncclFloat32, ncclSum, comm, s) == ncclInProgress);
        CHECK(x.get()[0] == rank + 1);
        CHECK(ncclAllReduce(x, x, 4, ncclFloat32, ncclSum, comm, s) == ncclInvalidArgument);  // not polled
        CHECK(poll(comm) == ncclSuccess);
        CHECK(x.get()[0] == 3);
        CHECK(ncclGroupStart() == ncclSuccess);
        CHECK(ncclAllReduce(x, x, 4, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        CHECK(ncclAllReduce(x, x, 4, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        CHECK(ncclGroupEnd() == ncclInProgress);
        CHECK(poll(comm) == ncclSuccess);
        CHECK(x.get()[0] == 12);
        CHECK(ncclCommFinalize(comm) == ncclInProgress);
        CHECK(poll(comm) == ncclSuccess);
        CHECK(ncclCommDestroy(comm) == ncclSuccess);
    });
    CHECK(reported("before the communicator's last call has ended"));
}

TEST_CASE("cudasim: NCCL refuses two ranks on one device") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        must(cudaSetDevice(0));
        ncclComm_t comm = nullptr;
        CHECK(ncclCommInitRank(&comm, 2, id, rank) == ncclInvalidUsage);
        CHECK(std::strstr(ncclGetLastError(nullptr), "Duplicate GPU detected"));
        CHECK(ncclCommAbort(comm) == ncclSuccess);
    });
}

TEST_CASE("cudasim: ranks that disagree about a collective are reported, and abort wakes who waits") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(8, 1.0f));
        CHECK(ncclAllReduce(x, x, rank ? 4 : 8, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
        s.synchronize();
        CHECK(poll(comm) == ncclInternalError);
        CHECK(ncclCommAbort(comm) == ncclSuccess);
    });
    CHECK(reported("ranks disagree"));
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(8, 1.0f));
        if (rank == 0) {  // the other rank never comes
            CHECK(ncclAllReduce(x, x, 8, ncclFloat32, ncclSum, comm, s) == ncclSuccess);
            s.synchronize();
            CHECK(poll(comm) == ncclRemoteError);
            CHECK(ncclAllReduce(x, x, 8, ncclFloat32, ncclSum, comm, s) == ncclRemoteError);
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        CHECK(ncclCommAbort(comm) == ncclSuccess);
    });
    CHECK(take_reports().empty());
}

TEST_CASE("cudasim: NCCL refuses what it does not simulate") {
    on_two_ranks([](int rank, const ncclUniqueId& id) {
        const ncclComm_t comm = join(rank, id);
        const Stream s;
        const DeviceArray<float> x(std::vector<float>(8, 1.0f));
        CHECK(ncclAllReduce(x, x, 8, ncclFloat8e4m3, ncclSum, comm, s) == ncclInvalidArgument);
        CHECK(ncclAllReduce(x, x, 8, ncclFloat32, ncclAvg, comm, s) == ncclInvalidArgument);
        CHECK(ncclAllReduce(x, x, 8, ncclFloat32, ncclSum, comm, nullptr) == ncclInvalidArgument);
        CHECK(ncclBroadcast(x, x, 8, ncclFloat32, 2, comm, s) == ncclInvalidArgument);
        CHECK(ncclCommDestroy(comm) == ncclSuccess);
    });
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.splitShare = 1;
    ncclUniqueId id;
    REQUIRE(ncclGetUniqueId(&id) == ncclSuccess);
    ncclComm_t comm;
    CHECK(ncclCommInitRankConfig(&comm, 1, id, 0, &config) == ncclInvalidArgument);
    CHECK(take_reports().size() == 9);
}
