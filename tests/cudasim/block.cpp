#include "tests/cudasim/block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "tests/cudasim/block_runner.h"
#include "tests/cudasim/device_state.h"
#include "tests/cudasim/reports.h"
#include "tests/cudasim/settings.h"
#include "tests/cudasim/tsan.h"

namespace cudasim {

constinit thread_local BlockRunner* block_runner = nullptr;

namespace {

std::string text3(unsigned x, unsigned y, unsigned z) {
    return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
}

struct Failed {};  // thrown to fiber_main, so that what the failing thread's stack holds is destroyed

// With CUDASIM_TSAN_BLOCKS neighbouring blocks have logical threads of their own.
int context_of(std::uint64_t block_number) { return settings().tsan_blocks ? int(block_number % 2) : 0; }

}  // namespace

std::string text(Where where) {
    const char* file = std::strrchr(where.file_name(), '/');
    return std::string(file ? file + 1 : where.file_name()) + ":" + std::to_string(where.line());
}

std::string BlockRunner::describe(const Thread* t) const {
    return "thread " + text3(t->index.x, t->index.y, t->index.z);
}

BlockRunner::BlockRunner() : reverse_(settings().reverse) {
    // Blocks share them, and with CUDASIM_TSAN_BLOCKS nothing orders blocks.
    if (!settings().tsan_blocks) return;
    for (const StaticShared& v : static_shared()) tsan_ignore_races(shared_base() + v.offset, v.bytes);
}
BlockRunner::~BlockRunner() {
    for (Fiber* f : all_) free_fiber(f);
    for (Thread& t : threads_)
        for (void* context : t.tsan)
            if (context) tsan_destroy(context);
}

void BlockRunner::fiber_main() {
    try {
        for (;;) {
            BlockRunner& r = *block_runner;
            r.start_threads();
            if (!own_stacks) r.idle_.push_back(r.running_);
            r.resume_something();  // comes back when this fiber is taken from the idle list again
        }
    } catch (const Failed&) {
    }
    tsan_switch(block_runner->main_tsan_);  // not in the handler: a fiber that never leaves it keeps the exception
    block_runner->go(&block_runner->main_);
    std::abort();
}

void BlockRunner::use_context_of(Thread* t) {
    void*& context = t->tsan[context_of(block_number_)];
    if (!context) context = tsan_make();
    tsan_switch(context);
}

Thread* BlockRunner::unstarted() {
    return &threads_[reverse_ ? threads_per_block_ - 1 - next_unstarted_ : next_unstarted_];
}

// Runs threads that have not begun, one after another on this same stack: a thread that never waits costs no switch.
// When one waits, resume_something() lets another fiber go on with the rest.
void BlockRunner::start_threads() {
    while (next_unstarted_ < threads_per_block_ && !failed_) {
        Thread* t = unstarted();
        ++next_unstarted_;
        t->fiber = running_;
        enter(t);
        tsan_acquire(&start_sync_);
        call_->run_thread();
        finish_thread(current_);  // the same thread; reread because other fibers ran meanwhile
        if (own_stacks) return;
    }
}

void BlockRunner::finish_thread(Thread* t) {
    if (t->group != 0 || !t->copies.empty()) {
        land_copies(t, t->group + 1);
        t->group = 0;
    }
    tsan_release(&end_sync_);
    tsan_switch(main_tsan_);
    t->state = ThreadState::done;
    ++done_;
    warps_[t->number / 32].done |= 1u << (t->number % 32);
}

Fiber* BlockRunner::stack_for_next() {
    if (own_stacks) {
        Fiber*& own = unstarted()->own[context_of(block_number_)];
        if (!own) all_.push_back(own = make_fiber(fiber_main));
        return own;
    }
    if (idle_.empty()) {
        all_.push_back(make_fiber(fiber_main));
        return all_.back();
    }
    Fiber* f = idle_.back();
    idle_.pop_back();
    return f;
}

void BlockRunner::resume_something() {
    if (resume_ready()) return;
    if (next_unstarted_ < threads_per_block_) return go(stack_for_next());
    if (done_ < threads_per_block_) deadlock();
    tsan_switch(main_tsan_);
    go(&main_);
}

void BlockRunner::fail(const std::string& why) {
    report("kernel " + find_function(call_->function).readable + " block " + text3(blockIdx.x, blockIdx.y, blockIdx.z) +
           ": " + why);
    failed_ = true;
    throw Failed{};
}

void BlockRunner::deadlock() {
    std::vector<std::pair<const Thread*, int>> groups;  // the first thread at each place, and how many are there
    const auto same_place = [](const Thread* a, const Thread* b) {
        if (a->state != b->state) return false;
        return a->state == ThreadState::done || (a->what == b->what && a->where.line() == b->where.line());
    };
    for (int i = 0; i < threads_per_block_; ++i) {
        const Thread* t = &threads_[i];
        const auto group = std::ranges::find_if(groups, [&](const auto& g) { return same_place(g.first, t); });
        if (group == groups.end())
            groups.push_back({t, 1});
        else
            ++group->second;
    }
    std::string why = "deadlock:";
    for (const auto& [t, count] : groups) {
        why += "\n    " + std::to_string(count) + " threads, first " + describe(t) + ", ";
        why +=
            t->state == ThreadState::done ? "have returned" : std::string("wait at ") + t->what + " " + text(t->where);
    }
    fail(why);
}

// Static shared variables belong to device functions, and which of them a kernel reaches is not known: so all are
// poisoned before its first block, and what that block changed before every further one.
void BlockRunner::learn_static_shared() {
    for (const StaticShared& variable : static_shared()) {
        const char* bytes = shared_base() + variable.offset;
        const auto touched = [](char c) { return c != char(poison); };
        if (std::any_of(bytes, bytes + variable.bytes, touched)) used_static_.push_back(variable);
    }
}

void BlockRunner::poison_shared() {
    std::memset(shared_, poison, shared_bytes_ + shared_guard);
    for (const StaticShared& v : block_number_ == 0 ? static_shared() : used_static_)
        std::memset(shared_base() + v.offset, poison, v.bytes);
}

void BlockRunner::check_shared_guard() {
    const char* end = shared_ + shared_bytes_;
    const auto touched = [](char c) { return c != char(poison); };
    if (std::any_of(end, end + shared_guard, touched))
        report("kernel " + find_function(call_->function).readable + ": write past the end of dynamic shared memory");
}

void BlockRunner::run_block() {
    next_unstarted_ = done_ = at_barrier_ = predicate_true_ = 0;
    current_ = nullptr;
    for (int w = 0; w < (threads_per_block_ + 31) / 32; ++w) warps_[w].ready = warps_[w].done = 0;
    // Ignored by TSan from allocation to release, which makes it forget the last block's accesses.
    tsan_ignore_accesses(true);
    // A fresh allocation of the exact size per block, so that ASan sees overruns. Aligned to 16 only: what needs more
    // (128 for TMA) must not be run here.
    shared_ = static_cast<char*>(std::malloc(std::max<std::size_t>(shared_bytes_ + shared_guard, 1)));
    poison_shared();
    tsan_ignore_accesses(false);
    tsan_release(&start_sync_);
    running_ = &main_;
    resume_something();
    tsan_ignore_accesses(true);
    if (block_number_ == 0) learn_static_shared();
    if (!failed_) check_shared_guard();
    std::free(shared_);
    tsan_ignore_accesses(false);
    if (!settings().tsan_blocks) tsan_acquire(&end_sync_);  // orders blocks: they share the static __shared__ variables
}

// The stacks of a failed block are in an unknown state: start them afresh.
void BlockRunner::abandon_stacks() {
    for (Thread& t : threads_) {
        for (void*& context : t.tsan) {
            if (!context) continue;
            tsan_switch(context);
            tsan_release(&end_sync_);
            tsan_switch(main_tsan_);
            tsan_destroy(context);
            context = nullptr;
        }
        t.copies.clear();
        t.landed = 0;
        t.group = 0;
    }
    idle_.clear();
    for (Fiber* f : all_) {
        abandon_fiber_stack(f, fiber_main);
        if (!own_stacks) idle_.push_back(f);
    }
    for (Warp& warp : warps_) warp.meetings.clear();
}

bool BlockRunner::run(KernelCall& call) {
    call_ = &call;
    const dim3 grid = call.grid, block = call.block;
    threads_per_block_ = int(block.x * block.y * block.z);
    shared_bytes_ = call.shared_bytes;
    main_tsan_ = tsan_current();
    used_static_.clear();
    gridDim = grid;
    blockDim = block;
    if (int(threads_.size()) < threads_per_block_) threads_.resize(threads_per_block_);
    if (block.x != block_.x || block.y != block_.y || block.z != block_.z) {
        for (unsigned i = 0; int(i) < threads_per_block_; ++i) {
            threads_[i].number = int(i);
            threads_[i].index = uint3{i % block.x, i / block.x % block.y, i / (block.x * block.y)};
        }
        block_ = block;
    }
    failed_ = false;
    idle_.reserve(2048);  // not to grow inside a kernel thread's TSan context
    all_.reserve(2048);
    const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
    for (block_number_ = 0; block_number_ < blocks && !failed_; ++block_number_) {
        const std::uint64_t b = reverse_ ? blocks - 1 - block_number_ : block_number_;
        blockIdx = uint3{unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
        run_block();
    }
    if (failed_) abandon_stacks();
    tsan_acquire(&end_sync_);
    return !failed_;
}

bool run_grid(KernelCall& call) {
    thread_local BlockRunner runner;
    block_runner = &runner;
    return runner.run(call);
}

}  // namespace cudasim
