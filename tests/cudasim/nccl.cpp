// NCCL's functions. A communicator made with blocking = 0 returns ncclInProgress, and what was called happens when
// ncclCommGetAsyncError is next polled to ncclSuccess: who forgets to poll sees that nothing happened.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <cstdio>
#include <cstring>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/nccl_group.h"

using namespace cudasim::nccl;

// A part that waits for the end of its group, or for the poll of a non-blocking communicator.
struct Issue {
    ncclComm_t comm;
    Part part;
    cudaStream_t stream;
};

struct ncclComm {
    std::shared_ptr<Group> group;
    int rank, device;
    bool blocking;
    bool in_progress;
    std::vector<Issue> waiting{};  // non-blocking: called, not yet issued
    std::mutex mutex{};            // of the two above
};

namespace {

// NCCL groups are of a thread.
struct ThreadGroup {
    int depth = 0;
    std::vector<Issue> issues;
    std::vector<ncclComm_t> joining;
};
thread_local ThreadGroup thread_group;
thread_local std::string last_error;

ncclResult_t fail(ncclResult_t result, const std::string& why) {
    last_error = why;
    return result;
}
ncclResult_t misuse(const char* call, const std::string& why) {
    cudasim::report(std::string(call) + ": " + why);
    return fail(ncclInvalidArgument, why);
}

ncclResult_t issue(const Issue& x) {
    const auto group = x.comm->group;
    if (const ncclResult_t error = group->error(); error != ncclSuccess) return fail(error, group->error_text());
    const int ranks = group->ranks();
    const std::vector<cudasim::Access> touched{{x.part.send, x.part.send_bytes(ranks), false},
                                               {x.part.receive, x.part.receive_bytes(ranks), true}};
    const auto e = cudasim::enqueue(name_of(x.part.what), touched, x.stream,
                                    [group, rank = x.comm->rank, part = x.part] { group->meet(rank, part); });
    return e == cudaSuccess ? ncclSuccess : fail(ncclUnhandledCudaError, cudaGetErrorString(e));
}

// A non-blocking communicator's calls wait for its next poll.
ncclResult_t issue_or_wait(const Issue& x) {
    if (x.comm->blocking) return issue(x);
    std::lock_guard lock(x.comm->mutex);
    x.comm->waiting.push_back(x);
    x.comm->in_progress = true;
    return ncclInProgress;
}

ncclResult_t submit(const Issue& x) {
    const char* const call = name_of(x.part.what);
    if (!x.comm || !x.stream || !x.part.send || !x.part.receive) return misuse(call, "a null pointer");
    if (!element(x.part.type)) return misuse(call, "a data type that is not simulated");
    if (cudasim::device_of(x.stream) != x.comm->device)
        return misuse(call, "the stream belongs to another device than the communicator");
    {
        std::lock_guard lock(x.comm->mutex);
        if (x.comm->in_progress) return misuse(call, "called before the communicator's last call has ended");
    }
    if (x.part.count == 0) return ncclSuccess;
    if (thread_group.depth == 0) return issue_or_wait(x);
    thread_group.issues.push_back(x);
    return ncclSuccess;
}

ncclResult_t end_joining(ncclComm_t comm) {
    if (!comm->blocking) return ncclInProgress;
    const ncclResult_t result = comm->group->wait_joined();
    return result == ncclSuccess ? result : fail(result, comm->group->error_text());
}

ncclResult_t init(ncclComm_t* out, int ranks, const ncclUniqueId& id, int rank, bool blocking) {
    if (ranks < 1 || rank < 0 || rank >= ranks) return misuse("ncclCommInitRank", "no such rank");
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess) return fail(ncclUnhandledCudaError, "no device");
    auto* comm = new ncclComm{group_of(id), rank, device, blocking, !blocking};
    *out = comm;
    comm->group->join(ranks, rank, device);
    if (thread_group.depth == 0) return end_joining(comm);
    thread_group.joining.push_back(comm);
    return ncclSuccess;
}

bool set(int field) { return field != NCCL_CONFIG_UNDEF_INT; }

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
    switch (result) {
        case ncclSuccess: return "no error";
        case ncclUnhandledCudaError: return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
        case ncclInternalError: return "internal error - please report this issue to the NCCL developers";
        case ncclInvalidArgument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
        case ncclInvalidUsage: return "invalid usage (run with NCCL_DEBUG=WARN for details)";
        case ncclRemoteError: return "remote process exited or there was a network error";
        case ncclInProgress: return "NCCL operation in progress";
        default: return "unknown result code";
    }
}
const char* ncclGetLastError(ncclComm_t) { return last_error.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
    static std::atomic<int> next{0};
    std::memset(id, 0, sizeof *id);
    std::snprintf(id->internal, sizeof id->internal, "cudasim-%d", next++);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
    return init(comm, ranks, id, rank, true);
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
    if (!config) return init(comm, ranks, id, rank, true);
    if (config->magic != 0xcafebeef || config->size != sizeof *config)
        return misuse("ncclCommInitRankConfig", "the configuration was not initialized");
    // minCTAs, maxCTAs and the CTA policy are about speed only; the rest is not simulated.
    if (config->netName || set(config->splitShare) || set(config->shrinkShare) || set(config->collnetEnable))
        return misuse("ncclCommInitRankConfig", "a setting that is not simulated");
    return init(comm, ranks, id, rank, config->blocking != 0);
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
    return submit({comm, {Collective::all_gather, send, receive, count, type}, stream});
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
    if (op != ncclSum) return misuse("ncclReduceScatter", "only ncclSum is simulated");
    return submit({comm, {Collective::reduce_scatter, send, receive, count, type}, stream});
}
ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
    if (op != ncclSum) return misuse("ncclAllReduce", "only ncclSum is simulated");
    return submit({comm, {Collective::all_reduce, send, receive, count, type}, stream});
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
    if (comm && (root < 0 || root >= comm->group->ranks())) return misuse("ncclBroadcast", "no such root");
    const void* from = comm && comm->rank == root ? send : receive;  // others' send pointers are ignored
    return submit({comm, {Collective::broadcast, from, receive, count, type, root}, stream});
}

ncclResult_t ncclGroupStart() {
    ++thread_group.depth;
    return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
    if (thread_group.depth == 0) return misuse("ncclGroupEnd", "without ncclGroupStart");
    if (--thread_group.depth) return ncclSuccess;
    ncclResult_t result = ncclSuccess;
    const auto keep = [&](ncclResult_t r) {
        if (r != ncclSuccess && (result == ncclSuccess || result == ncclInProgress)) result = r;
    };
    for (ncclComm_t comm : std::exchange(thread_group.joining, {})) keep(end_joining(comm));
    for (const Issue& x : std::exchange(thread_group.issues, {})) keep(issue_or_wait(x));
    return result;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
    *error = comm->group->error();
    if (*error != ncclSuccess) return fail(ncclSuccess, comm->group->error_text());
    if (comm->blocking) return ncclSuccess;
    std::lock_guard lock(comm->mutex);
    if (!comm->in_progress) return ncclSuccess;
    *error = comm->group->joined();
    if (*error != ncclSuccess) return ncclSuccess;
    for (const Issue& x : std::exchange(comm->waiting, {}))
        if (const ncclResult_t result = issue(x); result != ncclSuccess) *error = result;
    comm->in_progress = false;
    return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
    *count = comm->group->ranks();
    return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* device) {
    *device = comm->device;
    return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
    *rank = comm->rank;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
    std::lock_guard lock(comm->mutex);
    if (comm->in_progress) return misuse("ncclCommFinalize", "called before the communicator's last call has ended");
    comm->in_progress = !comm->blocking;
    return comm->blocking ? ncclSuccess : ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
    delete comm;  // parts that are enqueued hold the group
    return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
    comm->group->abort();
    delete comm;
    return ncclSuccess;
}

}  // extern "C"
