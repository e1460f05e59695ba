#include "tests/cudasim/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#ifdef CUDASIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
// A block that fails a check is abandoned where it stands, so the message being built is never destroyed.
extern "C" const char* __lsan_default_suppressions() {
    return "leak:cudasim::kernel_failure\nleak:cudasim::BlockRunner\nleak:cudasim::barrier\nleak:cudasim::warp_"
           "arrive\n";
}
#endif

// Saves the six callee-saved registers of the System V ABI on the old stack and loads them from the new one. It ends
// with `ret`: a jump through a register is faster between two fibers (3 ns against 8) but slower in real kernels. MXCSR
// and the x87 control word are left alone: kernels must not change them.
asm(R"(
.text
.globl cudasim_switch_stack
.type cudasim_switch_stack,@function
cudasim_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size cudasim_switch_stack,.-cudasim_switch_stack
)");
extern "C" void cudasim_switch_stack(void** save, void* load);

namespace cudasim {
namespace {

#ifdef CUDASIM_ASAN
constexpr std::size_t stack_bytes = 256 << 10;  // ASan's red zones make frames several times larger
#else
constexpr std::size_t stack_bytes = 64 << 10;
#endif
constexpr std::size_t page = 4096;
// Stacks begin at ever other places of a page: else all would share a few sets of the first-level cache. A prime number
// of cache lines.
constexpr std::size_t colour_bytes = 7 * 64, colours = 37;

thread_local Fiber* switched_from;  // so that ASan learns the OS stack's bounds
thread_local void (*first_function)();
thread_local std::size_t made = 0;

void first_entry() {
#ifdef CUDASIM_ASAN
    const void* bottom;
    std::size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!switched_from->stack) {
        switched_from->stack = const_cast<char*>(static_cast<const char*>(bottom));
        switched_from->size = size;
    }
#endif
    first_function();
    std::abort();
}

void prepare(Fiber* f, void (*entry)()) {
    first_function = entry;
    const auto top = reinterpret_cast<std::uintptr_t>(f->stack + f->size - f->colour) & ~std::uintptr_t{15};
    auto* p = reinterpret_cast<std::uintptr_t*>(top);
    *--p = 0;                                               // return address of first_entry: none
    *--p = reinterpret_cast<std::uintptr_t>(&first_entry);  // `ret` jumps here with rsp % 16 == 8, as after a call
    for (int i = 0; i < 6; ++i) *--p = 0;
    f->sp = p;
}

}  // namespace

Fiber* make_fiber(void (*entry)()) {
    void* const base =
        mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || mprotect(base, page, PROT_NONE) != 0) std::abort();
    auto* f = new Fiber{.stack = static_cast<char*>(base) + page, .size = stack_bytes};
    f->colour = made++ % colours * colour_bytes;
    prepare(f, entry);
    return f;
}

void free_fiber(Fiber* f) {
#ifdef CUDASIM_ASAN
    __asan_unpoison_memory_region(f->stack, f->size);  // or the next mapping at this place inherits the red zones
#endif
    munmap(f->stack - page, f->size + page);
    delete f;
}

void switch_fiber(Fiber* from, Fiber* to) {
    switched_from = from;
#ifdef CUDASIM_ASAN
    __sanitizer_start_switch_fiber(&from->asan_fake, to->stack, to->size);
#endif
    cudasim_switch_stack(&from->sp, to->sp);
#ifdef CUDASIM_ASAN
    __sanitizer_finish_switch_fiber(from->asan_fake, nullptr, nullptr);
#endif
}

void abandon_fiber_stack(Fiber* f, void (*entry)()) {
#ifdef CUDASIM_ASAN
    __asan_unpoison_memory_region(f->stack, f->size);  // its frames will never return and clean up
    f->asan_fake = nullptr;
#endif
    prepare(f, entry);
}

}  // namespace cudasim
