// Events.
#include "tests/cudasim/state.h"

using namespace cudasim;

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
    if (state().devices.empty()) return done(cudaErrorNoDevice);
    *e = new CUevent_st{nullptr, current_device(), !(flags & cudaEventDisableTiming)};
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t e) {
    delete e;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream) {
    if (cudaError_t error = check_stream("cudaEventRecord", stream)) return error;
    if (e->device != stream->device)
        return refuse(cudaErrorInvalidResourceHandle, "cudaEventRecord",
                      "event and stream belong to different devices");
    Lock lock;
    e->marker = push_marker(stream);
    return done(state().sticky(stream->device));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned) {
    if (cudaError_t error = check_stream("cudaStreamWaitEvent", stream)) return error;
    Lock lock;
    const std::shared_ptr<Marker> m = e->marker;
    if (!m) return cudaSuccess;  // never recorded: CUDA waits for nothing
    join(stream->clock, m->clock);
    return done(push(stream, "cudaStreamWaitEvent", {}, [m, waiting = stream->device, recording = e->device] {
        {
            Lock running;
            running.wait([&] {
                return m->reached || state().sticky(waiting) != cudaSuccess || state().sticky(recording) != cudaSuccess;
            });
        }
        tsan_acquire(&m->sync);
    }));
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    Lock lock;
    if (e->marker) wait_marker(lock, e->marker, e->device);
    return done(state().sticky(e->device));
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
    Lock lock;
    if (state().sticky(e->device) != cudaSuccess) return done(state().sticky(e->device));
    if (!e->marker) return cudaSuccess;
    if (!e->marker->reached) return cudaErrorNotReady;
    tsan_acquire(&e->marker->sync);
    join(state().host_clock, e->marker->clock);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
    Lock lock;
    if (!from->timing || !to->timing || !from->marker || !to->marker) return done(cudaErrorInvalidResourceHandle);
    if (!from->marker->reached || !to->marker->reached) return done(cudaErrorNotReady);
    *ms = std::chrono::duration<float, std::milli>(to->marker->when - from->marker->when).count();
    return cudaSuccess;
}

}  // extern "C"
