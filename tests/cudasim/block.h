// Runs one block of a kernel: its threads are fibers on one OS thread. The kernel-side intrinsics (builtins/) call what
// is declared here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

#include <vector_types.h>

namespace cudasim {

using Where = std::source_location;

// A kernel with its arguments bound. run_thread() is one CUDA thread.
struct KernelCall {
    virtual ~KernelCall() = default;
    virtual void run_thread() = 0;
    const void* function = nullptr;
    dim3 grid, block;
    std::size_t shared_bytes = 0;
};

// Runs all blocks on the calling OS thread. Returns false when a check failed (then a report exists).
bool run_grid(KernelCall& call);

// ---- called from inside kernels ----
int barrier(int predicate, const char* what, Where where);  // returns how many threads gave a true predicate
void* dynamic_shared();
bool is_shared(const void* p, std::size_t bytes);
[[noreturn]] void kernel_failure(const std::string& text, Where where);
int lane_id();

// A warp collective. A lane writes its contribution to the slot that warp_arrive returns, then calls warp_meet; the
// last lane of mask to do so calls combine(user, mask, contributions, results), both indexed by lane with slot_bytes
// between entries; each lane gets the address of its result. Without combine it is __syncwarp.
inline constexpr std::size_t slot_bytes = 64;
using Combine = void (*)(const void* user, std::uint32_t mask, const char* contributions, char* results);
char* warp_arrive(std::uint32_t mask, const char* what, Where where);
const char* warp_meet(Combine combine, const void* user);
// Between warp_arrive and warp_leave TSan ignores this lane's accesses: mailbox traffic is no memory of the kernel's.
#ifdef CUDASIM_TSAN
void warp_leave();
#else
inline void warp_leave() {}
#endif

void cp_async_issue(void* shared, const void* global, std::size_t bytes, std::size_t source_bytes, Where where);
void cp_async_commit_group();
void cp_async_wait_groups(int still_pending);

}  // namespace cudasim
