// All ranks of one NCCL communicator, in one process. Every rank enqueues its part of a collective on its own stream;
// the parts meet there, so a collective that ranks issue in different order, or with different counts, is reported
// instead of hanging.
#pragma once
#include <nccl.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace cudasim::nccl {

enum class Collective { all_gather, reduce_scatter, all_reduce, broadcast };
const char* name_of(Collective c);
std::size_t element(ncclDataType_t type);  // bytes; 0: a type that is not simulated

// One rank's part of a collective.
struct Part {
    Collective what;
    const void* send;
    void* receive;
    std::size_t count;  // of the rank's shard, in all_gather and reduce_scatter
    ncclDataType_t type;
    int root = 0;

    std::size_t send_bytes(int ranks) const;
    std::size_t receive_bytes(int ranks) const;
};

class Group {
  public:
    // Joins as a rank on a device; wakes those that wait.
    void join(int ranks, int rank, int device);
    ncclResult_t joined();       // ncclInProgress until all ranks have
    ncclResult_t wait_joined();  // the same, never ncclInProgress
    // On a stream's thread: meets the other ranks' parts; the last to come performs the collective.
    void meet(int rank, const Part& part);
    void abort();  // wakes everybody
    ncclResult_t error();
    std::string error_text();
    int ranks();

  private:
    ncclResult_t joined_locked();
    void perform();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<int> devices_;  // by rank; -1: not there yet
    int arrived_ = 0;
    std::uint64_t round_ = 0;
    ncclResult_t error_ = ncclSuccess;
    std::string error_text_;
    std::vector<Part> parts_;
};

// The group of an id, made when its first rank asks.
std::shared_ptr<Group> group_of(const ncclUniqueId& id);

}  // namespace cudasim::nccl
