// Streams, events, and the checker of their order.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/cudasim/kernels/support.h"

using namespace cudasim;

namespace {

// Exactly one report, with these words.
bool reported(const char* words) {
    const auto reports = take_reports();
    return reports.size() == 1 && reports[0].find(words) != std::string::npos;
}
bool nothing_reported() { return take_reports().empty(); }
const char* const unordered = "nothing orders them";
constexpr int n = 256;

// TSan finds the races planted here as well, and would fail the program.
#ifdef CUDASIM_TSAN
constexpr bool plant_races = false;
#else
constexpr bool plant_races = true;
#endif

}  // namespace

TEST_CASE("cudasim: an event orders two streams, and without it they race") {
    const Stream one, two;
    const PinnedArray<float> host(n);
    for (int i = 0; i < n; ++i) host[i] = float(i);
    const DeviceArray<float> a(n), b(n);
    const Event copied;
    must(cudaMemcpyAsync(a, host, n * 4, cudaMemcpyHostToDevice, one));
    must(cudaEventRecord(copied, one));
    must(cudaStreamWaitEvent(two, copied, 0));
    must(kernels::scale_and_shift(a, b, n, two));
    CHECK(b.get()[9] == 19);
    CHECK(nothing_reported());
    if (plant_races) {
        must(cudaMemcpyAsync(a, host, n * 4, cudaMemcpyHostToDevice, one));
        must(kernels::scale_and_shift(a, b, n, two));  // no wait
        must(cudaDeviceSynchronize());
        CHECK(reported(unordered));
    }
    must(kernels::scale_and_shift(a, b, n, one));  // after a device synchronisation everything is ordered
    must(cudaDeviceSynchronize());
    CHECK(nothing_reported());
}

TEST_CASE("cudasim: a read too is ordered before the write that follows") {
    const Stream one, two;
    const DeviceArray<float> a(n), b(n);
    must(cudaMemsetAsync(a, 0, n * 4, one));
    one.synchronize();
    if (plant_races) {
        must(kernels::scale_and_shift(a, b, n, one));
        must(cudaMemsetAsync(a, 0, n * 4, two));
        must(cudaDeviceSynchronize());
        CHECK(reported(unordered));
    }
    const Event read;
    must(kernels::scale_and_shift(a, b, n, one));
    must(cudaEventRecord(read, one));
    must(cudaEventSynchronize(read));  // the host may order as well
    must(cudaMemsetAsync(a, 0, n * 4, two));
    must(cudaDeviceSynchronize());
    CHECK(nothing_reported());
}

TEST_CASE("cudasim: suballocations are told apart, and their boundaries forgotten") {
    const Stream one, two;
    const DeviceArray<float> slab(4 * n);
    must(cudaMemsetAsync(slab, 0, 4 * n * 4, one));
    one.synchronize();
    declare_suballocation(slab, n * 4);
    declare_suballocation(slab + n, n * 4);
    must(kernels::scale_and_shift(slab, slab, n, one));
    must(kernels::scale_and_shift(slab + n, slab + n, n, two));
    must(cudaDeviceSynchronize());
    CHECK(nothing_reported());
    if (!plant_races) return;
    declare_suballocation(slab, 2 * n * 4);  // both as one buffer: the boundary between is gone
    must(kernels::scale_and_shift(slab, slab, n, one));
    must(kernels::scale_and_shift(slab + n, slab + n, n, two));
    must(cudaDeviceSynchronize());
    CHECK(reported(unordered));
}

TEST_CASE("cudasim: what the order checker notes does not grow in a long run") {
    const Stream one, two;
    const int pieces = 64, piece = 64;
    const DeviceArray<float> slab(pieces * piece);
    const Event done;
    must(cudaMemsetAsync(slab, 0, pieces * piece * 4, one));
    std::size_t after_first = 0;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i + 1 < pieces; ++i) {
            declare_suballocation(slab + i * piece, piece * 4);
            declare_suballocation(slab + (i + 1) * piece, piece * 4);
            must(kernels::scale_and_shift(slab + i * piece, slab + (i + 1) * piece, 1, one));
        }
        must(cudaEventRecord(done, one));
        must(cudaStreamWaitEvent(two, done, 0));
        must(kernels::scale_and_shift(slab, slab + piece, 1, two));
        must(cudaEventRecord(done, two));
        must(cudaStreamWaitEvent(one, done, 0));
        if (round == 0) after_first = noted_segments();
        CHECK(noted_segments() <= after_first);
    }
    CHECK(nothing_reported());
}

TEST_CASE("cudasim: streams run side by side and in their own order") {
    const Stream one, two;
    std::atomic<int> steps{0};
    std::atomic<bool> right{true};
    struct Shared {
        std::atomic<int>& steps;
        std::atomic<bool>& right;
    } shared{steps, right};
    // The first stream's function returns only when the second's has begun.
    must(cudaLaunchHostFunc(
        one,
        [](void* p) {
            while (static_cast<Shared*>(p)->steps == 0) std::this_thread::yield();
        },
        &shared));
    must(cudaLaunchHostFunc(
        two, [](void* p) { static_cast<Shared*>(p)->steps = 1; }, &shared));
    must(cudaLaunchHostFunc(
        two,
        [](void* p) {
            auto* s = static_cast<Shared*>(p);
            s->right = s->steps++ == 1;
        },
        &shared));
    must(cudaDeviceSynchronize());
    CHECK(steps == 2);
    CHECK(right);
}

TEST_CASE("cudasim: a host function may call nothing") {
    const Stream one, two;
    struct Call {
        cudaStream_t stream;
        cudaError_t result;
    } call{two, cudaSuccess};
    const auto f = [](void* p) {
        auto* c = static_cast<Call*>(p);
        c->result = cudaMemsetAsync(nullptr, 0, 4, c->stream);
    };
    must(cudaLaunchHostFunc(one, f, &call));
    one.synchronize();
    CHECK(call.result == cudaErrorNotPermitted);
    CHECK(reported("host function"));
}

TEST_CASE("cudasim: events are queried and timed") {
    const Stream stream;
    const Event from(cudaEventDefault), to(cudaEventDefault), untimed;
    std::atomic<bool> go{false};
    CHECK(cudaEventQuery(from) == cudaSuccess);  // never recorded
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, from, to) == cudaErrorInvalidResourceHandle);
    const auto wait = [](void* p) {
        while (!*static_cast<std::atomic<bool>*>(p)) std::this_thread::yield();
    };
    must(cudaEventRecord(from, stream));
    must(cudaEventSynchronize(from));
    must(cudaLaunchHostFunc(stream, wait, &go));
    must(cudaEventRecord(to, stream));
    CHECK(cudaEventQuery(to) == cudaErrorNotReady);
    CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
    CHECK(cudaEventElapsedTime(&ms, from, to) == cudaErrorNotReady);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    go = true;
    must(cudaEventSynchronize(to));
    CHECK(cudaEventQuery(to) == cudaSuccess);
    CHECK(cudaEventElapsedTime(&ms, from, to) == cudaSuccess);
    CHECK(ms >= 5);
    stream.synchronize();
    while (cudaStreamQuery(stream) == cudaErrorNotReady) std::this_thread::yield();
    must(cudaEventRecord(untimed, stream));
    must(cudaEventSynchronize(untimed));
    CHECK(cudaEventElapsedTime(&ms, from, untimed) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
}

TEST_CASE("cudasim: streams have priorities") {
    int least = -1, greatest = 1;
    must(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CHECK(least >= greatest);
    cudaStream_t stream;
    CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest) == cudaSuccess);
    CHECK(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("cudasim: the default stream and another device's stream and event are refused") {
    const DeviceArray<float> a(n);
    CHECK(kernels::scale_and_shift(a, a, n, nullptr) == cudaErrorInvalidResourceHandle);
    CHECK(reported("default stream"));
    const Stream here;
    const Event event;
    must(cudaSetDevice(1));
    CHECK(kernels::scale_and_shift(a, a, n, here) == cudaErrorInvalidResourceHandle);
    CHECK(reported("not the current one"));
    {
        const Stream there;
        CHECK(cudaEventRecord(event, there) == cudaErrorInvalidResourceHandle);
        CHECK(reported("different devices"));
        must(cudaEventRecord(event, here));
        CHECK(cudaStreamWaitEvent(there, event, 0) == cudaSuccess);  // waiting across devices is allowed
    }
    must(cudaSetDevice(0));
    CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
    CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("cudasim: a failed kernel stops its device, and only that") {
    {
        const Stream here;
        const DeviceArray<float> out(128);
        must(kernels::early_return(out, here));
        CHECK(cudaStreamSynchronize(here) == cudaErrorLaunchFailure);
        CHECK(reported("early_return_kernel"));
        CHECK(kernels::scale_and_shift(out, out, 1, here) == cudaErrorLaunchFailure);
        must(cudaSetDevice(1));
        const Stream there;
        CHECK(cudaStreamSynchronize(there) == cudaSuccess);
        must(cudaSetDevice(0));
    }
    reset_errors();
    const Stream here;
    const DeviceArray<float> out(std::vector<float>(128, 1.0f));  // the failed kernel's threads are forgotten
    must(kernels::scale_and_shift(out, out, 128, here));
    CHECK(out.get()[100] == 3);
}
