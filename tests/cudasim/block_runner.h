// The scheduler of one block's threads, and the warps' mailboxes.
#pragma once
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/cudasim/block.h"
#include "tests/cudasim/device_state.h"
#include "tests/cudasim/fiber.h"
#include "tests/cudasim/symbols.h"

namespace cudasim {

// Two CUDA threads that run on one stack one after the other would race on their locals in TSan's eyes.
#ifdef CUDASIM_TSAN
inline constexpr bool own_stacks = true;
#else
inline constexpr bool own_stacks = false;
#endif

// Behind dynamic shared memory, checked after every block where ASan does not watch.
#ifdef CUDASIM_ASAN
inline constexpr std::size_t shared_guard = 0;
#else
inline constexpr std::size_t shared_guard = 64;
#endif

inline constexpr int poison = 0xff;  // as float, bf16, half: NaN; as int: -1

// A cp.async that was issued and has not landed.
struct AsyncCopy {
    char* to;
    const char* from;
    std::uint32_t bytes, source_bytes;
    int group;
};

struct Meeting;

enum class ThreadState : std::uint8_t { unstarted, running, waiting, done };

struct Thread {
    uint3 index;
    int number;  // in the block
    ThreadState state;
    Fiber* fiber;
    const char* what;  // what it waits for
    Where where;
    Fiber* own[2] = {};             // with own_stacks: its stacks
    void* tsan[2] = {};             // its TSan contexts; the second only with CUDASIM_TSAN_BLOCKS, for odd blocks
    std::vector<AsyncCopy> copies;  // oldest first; those before `landed` have landed
    std::size_t landed = 0;
    int group = 0;     // number of the open cp.async group
    Meeting* meeting;  // the warp collective that it takes part in
};

// Lanes that meet under one mask. Two generations of slots: a fast lane may already deposit for the next collective
// while a slow one still reads its result, but never two ahead.
struct Meeting {
    std::uint32_t mask = 0, arrived = 0;
    const char* what = nullptr;
    Where where;
    int generation = 0;
    alignas(64) char in[2][32 * slot_bytes];
    alignas(64) char out[2][32 * slot_bytes];
};

struct Warp {
    std::uint32_t ready = 0, done = 0;  // lanes
    std::vector<std::unique_ptr<Meeting>> meetings;
};

class BlockRunner {
  public:
    BlockRunner();
    ~BlockRunner();
    bool run(KernelCall& call);

    // From inside kernels.
    int barrier(int predicate, const char* what, Where where);
    char* arrive(std::uint32_t mask, const char* what, Where where);
    const char* meet(Combine combine, const void* user);
    [[noreturn]] void fail(const std::string& why);
    std::string describe(const Thread* t) const;
    bool is_dynamic_shared(const void* p, std::size_t bytes) const;
    Thread* current() const { return current_; }
    char* shared() const { return shared_; }
    void land_copies(Thread* t, int before_group);

  private:
    static void fiber_main();
    void run_block();
    void start_threads();
    void finish_thread(Thread* t);
    void resume_something();
    bool resume_ready();
    Fiber* stack_for_next();
    void go(Fiber* to);
    void enter(Thread* t);
    void use_context_of(Thread* t);
    void wait(const char* what, Where where);
    [[noreturn]] void deadlock();
    void abandon_stacks();
    Meeting* find_meeting(Warp& warp, std::uint32_t mask, const char* what, Where where);
    void poison_shared();
    void learn_static_shared();
    void check_shared_guard();
    Thread* unstarted();

    const bool reverse_;
    KernelCall* call_ = nullptr;
    dim3 block_{0, 0, 0};  // that the threads' indices are for
    int threads_per_block_ = 0, next_unstarted_ = 0, done_ = 0, at_barrier_ = 0;
    std::uint64_t block_number_ = 0;
    bool failed_ = false;
    Thread* current_ = nullptr;
    Fiber main_;
    Fiber* running_ = nullptr;
    void* main_tsan_ = nullptr;
    std::vector<Thread> threads_;  // never shrinks: TSan contexts are kept
    Warp warps_[32];
    std::vector<Fiber*> idle_, all_;
    Where barrier_where_;
    const char* barrier_what_ = nullptr;
    int predicate_true_ = 0, barrier_parity_ = 0;
    int barrier_result_[2] = {};
    char barrier_sync_[2] = {}, start_sync_ = 0, end_sync_ = 0;  // addresses that stand for happens-before edges
    char* shared_ = nullptr;
    std::size_t shared_bytes_ = 0;
    std::vector<StaticShared> used_static_;  // what this grid's first block touched
};

// The runner of the block that runs on this OS thread.
extern constinit thread_local BlockRunner* block_runner;

std::string text(Where where);  // file:line

// What follows runs at every switch between threads.

inline void BlockRunner::go(Fiber* to) {
    Fiber* from = running_;
    if (from == to) return;
    running_ = to;
    switch_fiber(from, to);
}

inline void BlockRunner::enter(Thread* t) {
    current_ = t;
    threadIdx = t->index;
    t->state = ThreadState::running;
#ifdef CUDASIM_TSAN
    use_context_of(t);
#endif
}

// The same warp first: its data are in cache.
inline bool BlockRunner::resume_ready() {
    const int warp_count = (threads_per_block_ + 31) / 32, mine = current_ ? current_->number / 32 : 0;
    int chosen = warps_[mine].ready ? mine : -1;
    if (chosen < 0 && next_unstarted_ >= threads_per_block_) {
        for (int k = 1; k < warp_count && chosen < 0; ++k) {
            const int w = mine + k < warp_count ? mine + k : mine + k - warp_count;
            if (warps_[w].ready) chosen = w;
        }
    }
    if (chosen < 0) return false;
    std::uint32_t& ready = warps_[chosen].ready;
    Thread* t = &threads_[chosen * 32 + std::countr_zero(ready)];
    ready &= ready - 1;
    enter(t);
    go(t->fiber);
    return true;
}

inline void BlockRunner::wait(const char* what, Where where) {
    current_->state = ThreadState::waiting;
    current_->what = what;
    current_->where = where;
    if (!resume_ready()) resume_something();
}

}  // namespace cudasim
