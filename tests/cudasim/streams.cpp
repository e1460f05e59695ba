// Streams: each is an OS thread with an ordered queue, so work really overlaps and a missing event wait really matters.
#include <thread>

#include "tests/cudasim/block_runner.h"
#include "tests/cudasim/settings.h"
#include "tests/cudasim/state.h"

namespace cudasim {
namespace {

thread_local bool stream_thread = false;
constexpr int lowest_priority = 0, highest_priority = -5;

// A delay of up to 2 ms before a third of the operations, by seed, stream and number.
void jitter(const CUstream_st* s) {
    const std::uint64_t seed = settings().jitter;
    if (!seed) return;
    std::uint64_t h = (seed * 0x9e3779b97f4a7c15u) ^ (std::uint64_t(s->id) << 32) ^ s->started;
    h ^= h >> 31;
    h *= 0xbf58476d1ce4e5b9u;
    h ^= h >> 29;
    if (h % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(h / 3 % 2000));
}

// Until the stream is destroyed and its queue empty.
void serve(CUstream_st* s) {
    cudaSetDevice(s->device);
    for (;;) {
        std::unique_ptr<Operation> operation;
        {
            Lock lock;
            s->busy = false;
            lock.wait(s->queued, [&] { return s->stop || !s->queue.empty(); });
            if (s->queue.empty()) return;
            operation = std::move(s->queue.front());
            s->queue.pop_front();
            s->busy = true;
            ++s->started;
        }
        jitter(s);
        tsan_acquire(&operation->sync);
        operation->run();
    }
}

void work(Worker* worker) {
    stream_thread = true;
    for (;;) {
        serve(worker->stream);
        Lock lock;
        worker->stream->finished = true;
        worker->stream = nullptr;
        state().changed.notify_all();
        if (own_stacks) break;  // its TSan contexts, one for each CUDA thread, are too few to keep
        state().idle_workers.push_back(worker);
        lock.wait(worker->given, [&] { return worker->stream != nullptr; });
    }
    delete worker;
}

void give_worker(CUstream_st* stream) {
    State& s = state();
    if (s.idle_workers.empty()) {
        std::thread(work, new Worker{.stream = stream}).detach();
        return;
    }
    Worker* const worker = s.idle_workers.back();
    s.idle_workers.pop_back();
    worker->stream = stream;
    worker->given.notify_one();
}

}  // namespace

bool on_stream_thread() { return stream_thread; }
int device_of(cudaStream_t stream) { return stream->device; }

cudaError_t check_stream(const char* call, cudaStream_t stream) {
    if (!stream)
        return refuse(cudaErrorInvalidResourceHandle, call, "the default stream is not simulated, pass a stream");
    if (stream_thread) return refuse(cudaErrorNotPermitted, call, "called by a host function of a stream");
    return cudaSuccess;
}

bool reaches(const State& s, const CUstream_st* stream, const Access& access, const char* name) {
    const Allocation* a = s.find(access.data);
    if (!a || a->device == host_memory || a->device == stream->device) return true;
    if (s.devices[stream->device].peer[a->device]) return true;
    report(std::string(name) + " on device " + std::to_string(stream->device) + " is given memory of device " +
           std::to_string(a->device) + " without peer access");
    return false;
}

cudaError_t push(CUstream_st* stream, const char* name, const std::vector<Access>& touched, std::function<void()> run) {
    State& s = state();
    if (s.sticky(stream->device) != cudaSuccess) return s.sticky(stream->device);
    join(stream->clock, s.host_clock);
    const std::uint32_t tick = ++stream->clock[stream->id];
    std::string race;  // the first: what one operation does wrong is one report
    for (const Access& a : touched) {
        const std::size_t bytes = a.bytes == to_boundary ? s.order.reach(a.data) : a.bytes;
        std::string found = s.order.access(a.data, bytes, a.write, {name, stream->id, tick}, stream->clock);
        if (race.empty()) race = std::move(found);
    }
    if (!race.empty()) report(race);
    auto operation = std::make_unique<Operation>(Operation{std::move(run)});
    tsan_release(&operation->sync);
    stream->queue.push_back(std::move(operation));
    stream->queued.notify_one();
    return cudaSuccess;
}

std::shared_ptr<Marker> push_marker(CUstream_st* stream) {
    auto m = std::make_shared<Marker>();
    push(stream, "event", {}, [m] {
        tsan_release(&m->sync);
        Lock lock;
        m->when = std::chrono::steady_clock::now();
        m->reached = true;
        state().changed.notify_all();
    });
    m->clock = stream->clock;
    return m;
}

void wait_marker(Lock& lock, const std::shared_ptr<Marker>& marker, int device) {
    lock.wait([&] { return marker->reached || state().sticky(device) != cudaSuccess; });
    tsan_acquire(&marker->sync);
    join(state().host_clock, marker->clock);
}

cudaError_t synchronize_device(Lock& lock, int device) {
    State& s = state();
    std::vector<std::shared_ptr<Marker>> markers;
    if (s.sticky(device) == cudaSuccess) {
        for (CUstream_st* stream : s.streams)
            if (stream->device == device) markers.push_back(push_marker(stream));
    }
    for (const auto& m : markers) wait_marker(lock, m, device);
    return done(s.sticky(device));
}

cudaError_t enqueue_kernel(std::unique_ptr<KernelCall> call, const std::vector<Access>& touched, cudaStream_t stream) {
    if (cudaError_t e = check_stream("launch", stream)) return e;
    const dim3 b = call->block, g = call->grid;
    Lock lock;
    State& s = state();
    Kernel& kernel = s.kernel(call->function);
    const char* const name = kernel.name.c_str();
    const bool empty = !b.x || !b.y || !b.z || !g.x || !g.y || !g.z;
    if (empty || std::uint64_t{b.x} * b.y * b.z > 1024 || b.z > 64 || g.x > 0x7fffffff || g.y > 65535 || g.z > 65535)
        return refuse(cudaErrorInvalidConfiguration, name, "invalid grid or block size");
    if (call->shared_bytes > std::size_t(kernel.dynamic_limit))
        return refuse(cudaErrorInvalidValue, name, "dynamic shared memory above the kernel's limit");
    if (stream->device != current_device())
        return refuse(cudaErrorInvalidResourceHandle, name,
                      "the stream belongs to a device that is not the current one");
    for (const Access& a : touched)
        if (!reaches(s, stream, a, name)) return done(cudaErrorIllegalAddress);
    return done(push(stream, name, touched, [call = std::shared_ptr<KernelCall>(std::move(call)), &kernel, stream] {
        const int device = stream->device;
        {
            Lock running;
            if (state().sticky(device) != cudaSuccess) return;
            note_executed(kernel, *call);
        }
        if (run_grid(*call)) return;
        Lock failed;
        fail_device(device, cudaErrorLaunchFailure);
    }));
}

cudaError_t enqueue(const char* name, const std::vector<Access>& touched, cudaStream_t stream, void (*run)(void*),
                    std::shared_ptr<void> user) {
    if (cudaError_t e = check_stream(name, stream)) return e;
    Lock lock;
    for (const Access& a : touched)
        if (!reaches(state(), stream, a, name)) return done(cudaErrorIllegalAddress);
    return done(push(stream, name, touched, [run, user = std::move(user)] { run(user.get()); }));
}

}  // namespace cudasim

using namespace cudasim;

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* out, unsigned, int priority) {
    Lock lock;
    State& s = state();
    if (s.devices.empty()) return done(cudaErrorNoDevice);
    auto* stream = new CUstream_st;
    std::uint32_t tick = 0;
    if (s.free_streams.empty()) {
        stream->id = s.next_stream++;
    } else {  // clocks stay short; what the old stream did is taken as ordered before
        std::tie(stream->id, tick) = s.free_streams.back();
        s.free_streams.pop_back();
    }
    stream->device = current_device();
    stream->priority = std::clamp(priority, highest_priority, lowest_priority);
    stream->clock.resize(stream->id + 1);
    stream->clock[stream->id] = tick;
    s.streams.push_back(stream);
    give_worker(stream);
    *out = stream;
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
    return cudaStreamCreateWithPriority(out, flags, lowest_priority);
}
cudaError_t cudaStreamCreate(cudaStream_t* out) { return cudaStreamCreateWithPriority(out, 0, lowest_priority); }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    if (state().devices.empty()) return done(cudaErrorNoDevice);
    *least = lowest_priority;
    *greatest = highest_priority;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (cudaError_t e = check_stream("cudaStreamDestroy", stream)) return e;
    Lock lock;
    stream->stop = true;
    stream->queued.notify_one();
    std::erase(state().streams, stream);
    lock.wait([&] { return stream->finished; });  // what was enqueued is done first, as on hardware
    state().free_streams.emplace_back(stream->id, stream->clock[stream->id]);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (cudaError_t e = check_stream("cudaStreamSynchronize", stream)) return e;
    Lock lock;
    if (state().sticky(stream->device) == cudaSuccess) wait_marker(lock, push_marker(stream), stream->device);
    return done(state().sticky(stream->device));
}

// Gives no ordering: use events.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
    if (cudaError_t e = check_stream("cudaStreamQuery", stream)) return e;
    Lock lock;
    return stream->busy || !stream->queue.empty() ? cudaErrorNotReady : done(state().sticky(stream->device));
}

cudaError_t cudaDeviceSynchronize() {
    Lock lock;
    if (state().devices.empty()) return done(cudaErrorNoDevice);
    return synchronize_device(lock, current_device());
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t f, void* user) {
    if (cudaError_t e = check_stream("cudaLaunchHostFunc", stream)) return e;
    Lock lock;
    return done(push(stream, "cudaLaunchHostFunc", {}, [=] { f(user); }));
}

}  // extern "C"
