// Errors: the last one of each thread, and their names.
#include "tests/cudasim/state.h"

namespace cudasim {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
    cudaError_t error;
    const char *name, *text;
};
constexpr ErrorText error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorPeerAccessAlreadyEnabled, "cudaErrorPeerAccessAlreadyEnabled", "peer access is already enabled"},
    {cudaErrorPeerAccessUnsupported, "cudaErrorPeerAccessUnsupported",
     "peer access is not supported between these two devices"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};

const ErrorText& text_of(cudaError_t e) {
    for (const ErrorText& t : error_texts)
        if (t.error == e) return t;
    static constexpr ErrorText unknown{cudaErrorUnknown, "unrecognized error code", "unrecognized error code"};
    return unknown;
}

}  // namespace

cudaError_t done(cudaError_t e) {
    if (e != cudaSuccess) last_error = e;
    return e;
}

cudaError_t refuse(cudaError_t e, const char* call, const std::string& why) {
    report(std::string(call) + ": " + why);
    return done(e);
}

void fail_device(int device, cudaError_t e) {
    state().devices[device].sticky = e;
    state().changed.notify_all();
}

void reset_errors() {
    Lock lock;
    for (Device& d : state().devices) d.sticky = cudaSuccess;
    last_error = cudaSuccess;
}

}  // namespace cudasim

extern "C" {

cudaError_t cudaGetLastError() { return std::exchange(cudasim::last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return cudasim::last_error; }
const char* cudaGetErrorString(cudaError_t e) { return cudasim::text_of(e).text; }
const char* cudaGetErrorName(cudaError_t e) { return cudasim::text_of(e).name; }

}  // extern "C"
