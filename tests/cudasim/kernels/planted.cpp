// One planted mistake per run: `cudasim_planted NAME`. planted_test.sh runs them in every flavour and demands the
// catch. Without an argument it prints the flavour of the build.
#include <nccl.h>

#include <cstring>
#include <thread>

#include "tests/cudasim/kernels/support.h"

using namespace cudasim;
using kernels::FlashBug;
using kernels::Neighbour;

namespace {

constexpr int n = 128;

// What a test of a kernel would see.
void judge(float error, float tolerance) {
    if (error == INFINITY)
        std::puts("not a number");
    else
        std::puts(error < tolerance ? "right" : "wrong result");
}
template <FlashBug bug> void flash() { judge(flash_error<64, bug>(192), 0.05f); }

using Kernel = cudaError_t (*)(float* out, cudaStream_t stream);
template <Kernel kernel> void fault() {
    const DeviceArray<float> out(n);
    const Stream stream;
    must(kernel(out, stream));
    std::puts(cudaGetErrorName(cudaStreamSynchronize(stream)));
}

template <Neighbour which> void neighbour() {
    const DeviceArray<float> in(std::vector<float>(n, 1.0f)), out(n);
    const Stream stream;
    must(kernels::read_neighbour(which, in, out, stream));
    const auto got = out.get();
    judge(std::isnan(got[5]) ? INFINITY : std::fabs(got[5] - 1.0f), 1e-6f);
}

void clean() {
    flash<FlashBug::none>();
    judge(flash_error<128>(128), 0.05f);
    const DeviceArray<float> a(std::vector<float>(1024, 1.0f)), b(1024);
    const DeviceArray<kernels::bf16> in(random_bf16(4096, 1)), w(random_bf16(512, 2)), out(4096);
    const Stream stream;
    must(kernels::silu(a, b, 1024, stream));
    must(kernels::rmsnorm(in, w, out, 8, 512, 256, stream));
    stream.synchronize();
    neighbour<Neighbour::right_with_barrier>();
}

cudaError_t overrun(float* out, cudaStream_t stream) { return kernels::overrun(out, n, stream); }
cudaError_t static_shared_overrun(float* out, cudaStream_t stream) {
    return kernels::static_shared_overrun(out, 8, stream);
}
cudaError_t race_between_blocks(float* out, cudaStream_t stream) {
    must(cudaMemsetAsync(out, 0, 4, stream));
    return kernels::race_between_blocks(out, 4, stream);
}
cudaError_t use_after_free(float* out, cudaStream_t stream) {
    float* dangling = nullptr;
    must(cudaMalloc(&dangling, n * sizeof(float)));
    must(cudaFree(dangling));
    return kernels::scale_and_shift(dangling, out, n, stream);
}

template <bool wait> void two_streams() {
    const int many = 4096;
    const PinnedArray<float> host(many);
    for (int i = 0; i < many; ++i) host[i] = float(i);
    const DeviceArray<float> a(many), b(many);
    const Stream first, second;
    const Event copied;
    must(cudaMemcpyAsync(a, host, many * 4, cudaMemcpyHostToDevice, first));
    must(cudaEventRecord(copied, first));
    if (wait) must(cudaStreamWaitEvent(second, copied, 0));
    must(kernels::scale_and_shift(a, b, many, second));
    second.synchronize();
    float got = 0;
    must(cudaMemcpy(&got, b + 9, sizeof got, cudaMemcpyDeviceToHost));
    judge(got == 19 ? 0 : 1, 0.5f);
}

// The usual mistake of double buffering.
void reused_pinned_buffer() {
    const PinnedArray<float> host(n);
    const DeviceArray<float> a(n), b(n);
    const Stream in, out;
    must(cudaMemcpyAsync(host, a, n * 4, cudaMemcpyDeviceToHost, out));
    must(cudaMemcpyAsync(b, host, n * 4, cudaMemcpyHostToDevice, in));
    must(cudaDeviceSynchronize());
}

void host_reads_too_early() {
    const PinnedArray<float> host(n);
    const DeviceArray<float> a(std::vector<float>(n, 1.0f));
    const Stream stream;
    must(cudaMemcpyAsync(host, a, n * 4, cudaMemcpyDeviceToHost, stream));
    volatile float* first = host;
    (void)first[0];  // no synchronisation
    stream.synchronize();
}

void missing_peer_access() {
    must(cudaSetDevice(1));
    const DeviceArray<float> far(n);
    must(cudaSetDevice(0));
    const DeviceArray<float> near(n);
    const Stream stream;
    std::puts(cudaGetErrorName(kernels::scale_and_shift(far, near, n, stream)));
}

void pageable_copy() {
    const DeviceArray<float> a(n);
    std::vector<float> host(n);
    const Stream stream;
    std::puts(cudaGetErrorName(cudaMemcpyAsync(host.data(), a, n * 4, cudaMemcpyDeviceToHost, stream)));
}

void default_stream() {
    const DeviceArray<float> a(n);
    std::puts(cudaGetErrorName(kernels::scale_and_shift(a, a, n, nullptr)));
}

void ranks_disagree() {
    ncclUniqueId id;
    ncclGetUniqueId(&id);
    const auto rank_main = [&](int rank) {
        must(cudaSetDevice(rank));
        ncclComm_t comm;
        if (ncclCommInitRank(&comm, 2, id, rank) != ncclSuccess) std::abort();
        const Stream stream;
        const DeviceArray<float> x(n);
        ncclAllReduce(x, x, rank ? 4 : 8, ncclFloat32, ncclSum, comm, stream);
        cudaStreamSynchronize(stream);
        ncclCommDestroy(comm);
    };
    std::thread other(rank_main, 1);
    rank_main(0);
    other.join();
}

cudaError_t unaligned_copy(float* out, cudaStream_t stream) {
    static const DeviceArray<float> in(n);
    return kernels::unaligned_copy(in, out, stream);
}

// CUDASIM_DEVICES=0
void no_device() {
    int count = -1;
    void* p = nullptr;
    cudaStream_t stream;
    cudaEvent_t event;
    cudaDeviceProp properties;
    for (const cudaError_t e :
         {cudaGetDeviceCount(&count), cudaSetDevice(0), cudaGetDevice(&count), cudaMalloc(&p, 4),
          cudaHostAlloc(&p, 4, cudaHostAllocDefault), cudaStreamCreate(&stream), cudaEventCreate(&event),
          cudaDeviceSynchronize(), cudaGetDeviceProperties(&properties, 0)})
        std::printf("%s ", cudaGetErrorName(e));
    std::printf("%d devices\n", count);
}

struct Case {
    const char* name;
    void (*run)();
};
constexpr Case cases[] = {
    {"clean", clean},
    {"clean_streams", two_streams<true>},
    {"missing_wait", flash<FlashBug::no_wait>},
    {"missing_commit", flash<FlashBug::no_commit>},
    {"missing_barrier", flash<FlashBug::no_barrier>},
    {"missing_barrier_before_overwrite", flash<FlashBug::no_barrier_before_overwrite>},
    {"missing_barrier_right", neighbour<Neighbour::right>},
    {"missing_barrier_left", neighbour<Neighbour::left>},
    {"swapped_fragments", flash<FlashBug::swapped_fragments>},
    {"forgotten_trans", flash<FlashBug::no_trans>},
    {"divergent_barrier", fault<kernels::divergent_barrier>},
    {"early_return", fault<kernels::early_return>},
    {"wrong_mask", fault<kernels::wrong_mask>},
    {"different_collectives", fault<kernels::lanes_at_different_collectives>},
    {"unaligned_copy", fault<unaligned_copy>},
    {"overrun", fault<overrun>},
    {"shared_overrun", fault<kernels::shared_overrun>},
    {"static_shared_overrun", fault<static_shared_overrun>},
    {"use_after_free", fault<use_after_free>},
    {"race_between_blocks", fault<race_between_blocks>},
    {"missing_event_wait", two_streams<false>},
    {"reused_pinned_buffer", reused_pinned_buffer},
    {"host_reads_too_early", host_reads_too_early},
    {"missing_peer_access", missing_peer_access},
    {"pageable_copy", pageable_copy},
    {"default_stream", default_stream},
    {"ranks_disagree", ranks_disagree},
    {"no_device", no_device},
};

#if defined(CUDASIM_ASAN)
constexpr const char* flavour = "address";
#elif defined(CUDASIM_TSAN)
constexpr const char* flavour = "thread";
#else
constexpr const char* flavour = "plain";
#endif

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) std::puts(flavour);
    for (const Case& c : cases) {
        if (argc == 1 || std::strcmp(argv[1], c.name) != 0) continue;
        c.run();
        return 0;
    }
    return argc == 1 ? 0 : 2;
}
