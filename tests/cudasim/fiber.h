// Fibers: one machine stack each, switched by hand because ucontext makes two system calls per switch.
#pragma once
#include <cstddef>

namespace cudasim {

struct Fiber {
    void* sp = nullptr;                // saved stack pointer while suspended
    char* stack = nullptr;             // lowest usable byte (a guard page lies below it); null for the OS stack
    std::size_t size = 0, colour = 0;  // bytes left free at its top
    void* asan_fake = nullptr;         // ASan's own record of this stack while suspended
};

Fiber* make_fiber(void (*entry)());  // entry must never return
void free_fiber(Fiber* f);
void switch_fiber(Fiber* from, Fiber* to);
void abandon_fiber_stack(Fiber* f, void (*entry)());  // forget what ran on it; it starts at entry again

}  // namespace cudasim
