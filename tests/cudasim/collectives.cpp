// What threads of a block do together: barriers, warp collectives; and their asynchronous copies.
#include <algorithm>
#include <cstring>

#include "tests/cudasim/block_runner.h"
#include "tests/cudasim/tsan.h"

namespace cudasim {

int BlockRunner::barrier(int predicate, const char* what, Where where) {
    if (at_barrier_ == 0) {
        barrier_where_ = where;
        barrier_what_ = what;
    } else if (barrier_where_.line() != where.line() || barrier_what_ != what) {
        fail("divergent barrier: " + describe(current_) + " at " + what + " " + text(where) + " while others wait at " +
             barrier_what_ + " " + text(barrier_where_));
    }
    const int parity = barrier_parity_;
    tsan_release(&barrier_sync_[parity]);
    predicate_true_ += predicate != 0;
    if (++at_barrier_ < threads_per_block_) {
        wait(what, where);
    } else {
        barrier_result_[parity] = predicate_true_;
        at_barrier_ = predicate_true_ = 0;
        barrier_parity_ ^= 1;
        for (int first = 0; first < threads_per_block_; first += 32) {
            const int lanes = threads_per_block_ - first;
            warps_[first / 32].ready = lanes >= 32 ? ~0u : (1u << lanes) - 1;
        }
        warps_[current_->number / 32].ready &= ~(1u << (current_->number % 32));
    }
    tsan_acquire(&barrier_sync_[parity]);
    return barrier_result_[parity];
}

Meeting* BlockRunner::find_meeting(Warp& warp, std::uint32_t mask, const char* what, Where where) {
    Meeting* found = nullptr;
    for (auto& m : warp.meetings) {
        if (m->mask == mask)
            found = m.get();
        else if (m->arrived && (m->mask & mask))
            kernel_failure(
                std::string(what) + ": mask overlaps that of lanes waiting at " + m->what + " " + text(m->where),
                where);
    }
    if (!found) {
        warp.meetings.push_back(std::make_unique<Meeting>());
        found = warp.meetings.back().get();
        found->mask = mask;
    }
    if (found->arrived == 0) {
        found->what = what;
        found->where = where;
    } else if (found->what != what && std::strcmp(found->what, what) != 0) {
        kernel_failure(std::string("lanes of one warp meet at different collectives: ") + what + " and " + found->what +
                           " " + text(found->where),
                       where);
    }
    return found;
}

char* BlockRunner::arrive(std::uint32_t mask, const char* what, Where where) {
    const int me = current_->number, lane = me % 32;
    Warp& warp = warps_[me / 32];
    if (!(mask >> lane & 1)) kernel_failure(std::string(what) + ": calling lane is not in its own mask", where);
    const int lanes = std::min(32, threads_per_block_ - me / 32 * 32);
    if (lanes < 32 && mask >> lanes) kernel_failure(std::string(what) + ": mask names lanes beyond the block", where);
    if (warp.done & mask) kernel_failure(std::string(what) + ": mask names a lane that has returned", where);
    current_->meeting = find_meeting(warp, mask, what, where);
    current_->what = what;
    current_->where = where;
    return current_->meeting->in[current_->meeting->generation & 1] + lane * slot_bytes;
}

const char* BlockRunner::meet(Combine combine, const void* user) {
    Thread* t = current_;
    Meeting* m = t->meeting;
    const int me = t->number, lane = me % 32, g = m->generation & 1;
    if (!combine) tsan_release(&m->in[g]);  // only __syncwarp orders memory; shuffles do not
    m->arrived |= 1u << lane;
    if (m->arrived == m->mask) {
        if (combine) combine(user, m->mask, m->in[g], m->out[g]);
        m->arrived = 0;
        ++m->generation;
        warps_[me / 32].ready |= m->mask & ~(1u << lane);
    } else {
        wait(t->what, t->where);
    }
    if (!combine) tsan_acquire(&m->in[g]);
    return m->out[g] + lane * slot_bytes;
}

bool BlockRunner::is_dynamic_shared(const void* p, std::size_t bytes) const {
    const auto* c = static_cast<const char*>(p);
    return c >= shared_ && c + bytes <= shared_ + shared_bytes_;
}

void BlockRunner::land_copies(Thread* t, int before_group) {
    while (t->landed < t->copies.size() && t->copies[t->landed].group < before_group) {
        tsan_ignore_accesses(true);
        const AsyncCopy c = t->copies[t->landed++];
        tsan_ignore_accesses(false);
        std::memcpy(c.to, c.from, c.source_bytes);
        std::memset(c.to + c.source_bytes, 0, c.bytes - c.source_bytes);
    }
    if (t->landed < t->copies.size()) return;
    t->copies.clear();
    t->landed = 0;
}

void kernel_failure(const std::string& why, Where where) {
    BlockRunner& r = *block_runner;
    r.fail(r.describe(r.current()) + ": " + why + " at " + text(where));
}

int lane_id() { return block_runner->current()->number % 32; }
void* dynamic_shared() { return block_runner->shared(); }
bool is_shared(const void* p, std::size_t bytes) {
    return block_runner->is_dynamic_shared(p, bytes) || is_static_shared(p, bytes);
}

int barrier(int predicate, const char* what, Where where) { return block_runner->barrier(predicate, what, where); }
char* warp_arrive(std::uint32_t mask, const char* what, Where where) {
    tsan_ignore_accesses(true);
    return block_runner->arrive(mask, what, where);
}
const char* warp_meet(Combine combine, const void* user) { return block_runner->meet(combine, user); }
#ifdef CUDASIM_TSAN
void warp_leave() { tsan_ignore_accesses(false); }
#endif

void cp_async_issue(void* shared, const void* global, std::size_t bytes, std::size_t source_bytes, Where where) {
    if (reinterpret_cast<std::uintptr_t>(shared) % bytes || reinterpret_cast<std::uintptr_t>(global) % bytes)
        kernel_failure("cp.async: address not aligned to its size", where);
    if (source_bytes > bytes) kernel_failure("cp.async: more source bytes than bytes", where);
    if (!is_shared(shared, bytes)) kernel_failure("cp.async: destination is not in this block's shared memory", where);
    Thread* t = block_runner->current();
    std::memset(shared, poison, bytes);
    tsan_ignore_accesses(true);
    t->copies.push_back({static_cast<char*>(shared), static_cast<const char*>(global), std::uint32_t(bytes),
                         std::uint32_t(source_bytes), t->group});
    tsan_ignore_accesses(false);
}

void cp_async_commit_group() { ++block_runner->current()->group; }

// A copy that was never committed belongs to the open group, which no wait covers: a forgotten commit stays visible as
// poison.
void cp_async_wait_groups(int still_pending) {
    Thread* t = block_runner->current();
    block_runner->land_copies(t, t->group - still_pending);
}

}  // namespace cudasim
