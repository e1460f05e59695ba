#include "tests/cudasim/nccl_group.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tests/cudasim/reports.h"

namespace cudasim::nccl {
namespace {

// In the wider type, in rank order: the same on every rank. Real NCCL's order depends on its algorithm.
template <class T, class Wide> void sum(const std::vector<const char*>& from, char* to, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        Wide v = Wide(reinterpret_cast<const T*>(from[0])[i]);
        for (std::size_t r = 1; r < from.size(); ++r) v += Wide(reinterpret_cast<const T*>(from[r])[i]);
        reinterpret_cast<T*>(to)[i] = T(v);
    }
}

void reduce(const std::vector<const char*>& from, char* to, std::size_t n, ncclDataType_t type) {
    switch (type) {
        case ncclFloat32: return sum<float, float>(from, to, n);
        case ncclFloat64: return sum<double, double>(from, to, n);
        case ncclBfloat16: return sum<__nv_bfloat16, float>(from, to, n);
        case ncclFloat16: return sum<__half, float>(from, to, n);
        case ncclInt8: return sum<signed char, int>(from, to, n);
        case ncclUint8: return sum<unsigned char, int>(from, to, n);
        case ncclInt32: return sum<int, unsigned>(from, to, n);
        case ncclUint32: return sum<unsigned, unsigned>(from, to, n);
        default: return sum<long long, unsigned long long>(from, to, n);  // 64-bit integers
    }
}

}  // namespace

const char* name_of(Collective c) {
    switch (c) {
        case Collective::all_gather: return "ncclAllGather";
        case Collective::reduce_scatter: return "ncclReduceScatter";
        case Collective::all_reduce: return "ncclAllReduce";
        default: return "ncclBroadcast";
    }
}

std::size_t element(ncclDataType_t type) {
    switch (type) {
        case ncclInt8:
        case ncclUint8: return 1;
        case ncclFloat16:
        case ncclBfloat16: return 2;
        case ncclFloat32:
        case ncclInt32:
        case ncclUint32: return 4;
        case ncclFloat64:
        case ncclInt64:
        case ncclUint64: return 8;
        default: return 0;
    }
}

std::size_t Part::send_bytes(int ranks) const {
    return count * element(type) * (what == Collective::reduce_scatter ? ranks : 1);
}
std::size_t Part::receive_bytes(int ranks) const {
    return count * element(type) * (what == Collective::all_gather ? ranks : 1);
}

void Group::join(int ranks, int rank, int device) {
    std::lock_guard lock(mutex_);
    if (devices_.empty()) devices_.assign(ranks, -1);
    if (int(devices_.size()) != ranks || devices_[rank] != -1) {
        error_ = ncclInvalidUsage;
        error_text_ = "ranks disagree about their number, or two have one rank";
    } else {
        devices_[rank] = device;
    }
    changed_.notify_all();
}

ncclResult_t Group::joined_locked() {
    if (error_ != ncclSuccess) return error_;
    if (std::ranges::count(devices_, -1)) return ncclInProgress;
    for (std::size_t a = 0; a < devices_.size(); ++a)
        for (std::size_t b = a + 1; b < devices_.size(); ++b) {
            if (devices_[a] != devices_[b]) continue;
            error_ = ncclInvalidUsage;
            error_text_ = "Duplicate GPU detected : rank " + std::to_string(a) + " and rank " + std::to_string(b) +
                          " both on CUDA device " + std::to_string(devices_[a]);
            return error_;
        }
    return ncclSuccess;
}
ncclResult_t Group::joined() {
    std::lock_guard lock(mutex_);
    return joined_locked();
}
ncclResult_t Group::wait_joined() {
    std::unique_lock lock(mutex_);
    ncclResult_t result = ncclInProgress;
    changed_.wait(lock, [&] { return (result = joined_locked()) != ncclInProgress; });
    return result;
}

void Group::meet(int rank, const Part& part) {
    std::unique_lock lock(mutex_);
    if (error_ != ncclSuccess) return;
    const std::uint64_t round = round_;
    parts_.resize(devices_.size());
    parts_[rank] = part;
    if (++arrived_ < int(devices_.size())) {
        changed_.wait(lock, [&] { return round_ != round || error_ != ncclSuccess; });
        return;
    }
    for (const Part& other : parts_) {
        if (other.what == part.what && other.count == part.count && other.type == part.type && other.root == part.root)
            continue;
        error_ = ncclInternalError;
        error_text_ = std::string("ranks disagree: ") + name_of(part.what) + " of " + std::to_string(part.count) +
                      " and " + name_of(other.what) + " of " + std::to_string(other.count);
        report("nccl: " + error_text_);
        break;
    }
    if (error_ == ncclSuccess) perform();
    arrived_ = 0;
    ++round_;
    changed_.notify_all();
}

void Group::perform() {
    const int ranks = int(parts_.size());
    const Part& first = parts_[0];
    const std::size_t bytes = first.count * element(first.type);
    std::vector<std::vector<char>> in;  // copies first: operations may be in place
    for (const Part& part : parts_) {
        const auto* send = static_cast<const char*>(part.send);
        in.emplace_back(send, send + part.send_bytes(ranks));
    }
    for (int r = 0; r < ranks; ++r) {
        auto* to = static_cast<char*>(parts_[r].receive);
        if (first.what == Collective::all_gather) {
            for (int q = 0; q < ranks; ++q) std::memcpy(to + q * bytes, in[q].data(), bytes);
        } else if (first.what == Collective::broadcast) {
            std::memcpy(to, in[first.root].data(), bytes);
        } else {
            std::vector<const char*> from;
            for (const auto& part : in)
                from.push_back(part.data() + (first.what == Collective::reduce_scatter ? r * bytes : 0));
            reduce(from, to, first.count, first.type);
        }
    }
}

void Group::abort() {
    std::lock_guard lock(mutex_);
    if (error_ == ncclSuccess) {
        error_ = ncclRemoteError;
        error_text_ = "a rank aborted";
    }
    changed_.notify_all();
}
ncclResult_t Group::error() {
    std::lock_guard lock(mutex_);
    return error_;
}
std::string Group::error_text() {
    std::lock_guard lock(mutex_);
    return error_text_;
}
int Group::ranks() {
    std::lock_guard lock(mutex_);
    return int(devices_.size());
}

std::shared_ptr<Group> group_of(const ncclUniqueId& id) {
    struct Groups {
        std::mutex mutex;
        std::map<std::string, std::weak_ptr<Group>> by_id;
    };
    static Groups& groups = *new Groups;
    std::lock_guard lock(groups.mutex);
    auto& slot = groups.by_id[id.internal];
    auto group = slot.lock();
    if (!group) slot = group = std::make_shared<Group>();
    return group;
}

}  // namespace cudasim::nccl
