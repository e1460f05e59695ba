// The simulated machine: devices, memory, streams. One per process, as the CUDA runtime's own state is.
#pragma once
#include <cuda_runtime_api.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/order.h"
#include "tests/cudasim/symbols.h"
#include "tests/cudasim/tsan.h"

namespace cudasim {

// What cudaEventRecord puts into a stream; an event refers to its latest marker, a wait to the marker of that moment.
struct Marker {
    bool reached = false;
    std::chrono::steady_clock::time_point when;
    Clock clock;
    char sync = 0;  // its address stands for a happens-before edge in TSan
};

struct Operation {
    std::function<void()> run;
    char sync = 0;
};

inline constexpr int host_memory = -1;
struct Allocation {
    std::size_t bytes;
    int device;  // or host_memory, page-locked
    bool owned;  // else registered
};

struct Device {
    std::size_t used = 0, limit = 0;
    cudaError_t sticky = cudaSuccess;
    std::vector<bool> peer;  // whose memory its kernels may touch
};

struct Kernel {
    FunctionSymbol symbol;
    std::string name;  // for reports
    int dynamic_limit;
    std::uint64_t threads = 0;  // of a block, and dynamic shared memory: the most so far
    std::size_t dynamic_bytes = 0;
};

}  // namespace cudasim

struct CUstream_st {
    int id = 0, device = 0, priority = 0;
    cudasim::Clock clock;
    std::deque<std::unique_ptr<cudasim::Operation>> queue;
    std::condition_variable queued;
    bool busy = false, stop = false, finished = false;
    std::uint64_t started = 0;
};
struct CUevent_st {
    std::shared_ptr<cudasim::Marker> marker;
    int device;
    bool timing;
};

namespace cudasim {

// An OS thread that runs one stream after another: its fibers' stacks are made once.
struct Worker {
    CUstream_st* stream = nullptr;  // none: idle
    std::condition_variable given;
};

struct State {
    std::mutex mutex;
    std::condition_variable changed;  // a marker was reached, a device failed, a destroyed stream finished
    std::vector<Device> devices;
    std::map<const char*, Allocation> memory;
    std::map<const void*, Kernel> kernels;  // nodes stay: names point into them
    std::vector<CUstream_st*> streams;
    std::vector<Worker*> idle_workers;
    std::vector<std::pair<int, std::uint32_t>> free_streams;  // ids of destroyed streams, with their last tick
    int next_stream = 0;
    // What any host thread has waited for. Host threads order each other by means not seen here (mutexes, barriers), so
    // all are taken to know it: fewer reports, none of them false.
    Clock host_clock;
    OrderChecker order;

    State();
    const Allocation* find(const void* p, const char** base = nullptr) const;
    bool inside(const void* p, std::size_t bytes) const;  // of one allocation
    Kernel& kernel(const void* function);
    cudaError_t sticky(int device) const { return devices[device].sticky; }
};
State& state();

// The simulator's own lock must not order user code in TSan's eyes.
class Lock {
  public:
    Lock();
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    template <class F> void wait(F ready) { state().changed.wait(lock_, ready); }
    template <class F> void wait(std::condition_variable& changed, F ready) { changed.wait(lock_, ready); }

  private:
    std::unique_lock<std::mutex> lock_;
};

int current_device();
bool on_stream_thread();  // a host function of a stream is running: it may call nothing

// Remember e for cudaGetLastError.
cudaError_t done(cudaError_t e);
// And report what was done wrong.
cudaError_t refuse(cudaError_t e, const char* call, const std::string& why);

// All below: under the lock. A sticky error stops the device, as on hardware.
cudaError_t push(CUstream_st* stream, const char* name, const std::vector<Access>& touched, std::function<void()> run);
bool reaches(const State& s, const CUstream_st* stream, const Access& access, const char* name);
std::shared_ptr<Marker> push_marker(CUstream_st* stream);
void wait_marker(Lock& lock, const std::shared_ptr<Marker>& marker, int device);
cudaError_t synchronize_device(Lock& lock, int device);
void fail_device(int device, cudaError_t e);
void note_executed(Kernel& kernel, const KernelCall& call);  // for CUDASIM_EXECUTED

// The first check of every call that takes a stream.
cudaError_t check_stream(const char* call, cudaStream_t stream);

}  // namespace cudasim
