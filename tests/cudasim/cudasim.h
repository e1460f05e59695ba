// What the project's launch wrapper, its allocators and its tests use of the simulator beyond the CUDA runtime API.
#pragma once
#include <cuda_runtime_api.h>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/cudasim/block.h"
#include "tests/cudasim/reports.h"

namespace cudasim {

// bytes = to_boundary: up to the next boundary of declare_suballocation, or the allocation's end.
inline constexpr std::size_t to_boundary = ~std::size_t{0};
struct Access {
    const void* data;
    std::size_t bytes;
    bool write;
};

// An allocator that carves its own buffers out of one big allocation says so for each, or every two kernels on two
// streams look like a race. Boundaries strictly inside [p, p + bytes) are forgotten; p and p + bytes become boundaries.
void declare_suballocation(const void* p, std::size_t bytes);

cudaError_t enqueue_kernel(std::unique_ptr<KernelCall> call, const std::vector<Access>& touched, cudaStream_t stream);

// A library's operation on a stream, with its accesses. `name` lives as long as the process.
cudaError_t enqueue(const char* name, const std::vector<Access>& touched, cudaStream_t stream, void (*run)(void*),
                    std::shared_ptr<void> user);
template <class F> cudaError_t enqueue(const char* name, const std::vector<Access>& touched, cudaStream_t stream, F f) {
    return enqueue(
        name, touched, stream, [](void* p) { (*static_cast<F*>(p))(); }, std::make_shared<F>(std::move(f)));
}
int device_of(cudaStream_t stream);

// Forgets the errors of all devices. Hardware would need a new process.
void reset_errors();
std::size_t noted_segments();  // of the ordering checker: what it costs in memory

template <class... P> struct BoundKernel final : KernelCall {
    void (*kernel)(P...);
    std::tuple<std::remove_cv_t<P>...> args;
    BoundKernel(void (*k)(P...), std::tuple<std::remove_cv_t<P>...> a) : kernel(k), args(std::move(a)) {
        function = reinterpret_cast<const void*>(k);
    }
    void run_thread() override {
        std::apply([this](auto&... a) { kernel(a...); }, args);
    }
};

// `const T*` is a read, `T*` a write. Structs are scanned for words that point into allocations, taken as reads.
template <class T> void collect_access(std::vector<Access>& out, const T& arg) {
    if constexpr (std::is_pointer_v<T>) {
        out.push_back({arg, to_boundary, !std::is_const_v<std::remove_pointer_t<T>>});
    } else if constexpr (std::is_class_v<T> && sizeof(T) >= sizeof(void*)) {
        T words = arg;
        __builtin_clear_padding(&words);  // what is left there of old pointers is none of this kernel's
        for (std::size_t i = 0; i + sizeof(void*) <= sizeof(T); i += sizeof(void*)) {
            void* p;
            __builtin_memcpy(&p, reinterpret_cast<const char*>(&words) + i, sizeof p);
            out.push_back({p, to_boundary, false});
        }
    }
}

template <class... P, class... A> cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block,
                                                     std::size_t shared_bytes, cudaStream_t stream, A&&... args) {
    using Arguments = std::tuple<std::remove_cv_t<P>...>;
    auto call = std::make_unique<BoundKernel<P...>>(kernel, Arguments(std::forward<A>(args)...));
    call->grid = grid;
    call->block = block;
    call->shared_bytes = shared_bytes;
    std::vector<Access> touched;
    std::apply([&](auto&... a) { (collect_access(touched, a), ...); }, call->args);
    return enqueue_kernel(std::move(call), touched, stream);
}

}  // namespace cudasim
