#include "tests/cudasim/tsan.h"

#ifdef CUDASIM_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* addr);
void __tsan_release(void* addr);
void AnnotateIgnoreSyncBegin(const char* f, int l);
void AnnotateIgnoreSyncEnd(const char* f, int l);
void AnnotateIgnoreReadsBegin(const char* f, int l);
void AnnotateIgnoreReadsEnd(const char* f, int l);
void AnnotateIgnoreWritesBegin(const char* f, int l);
void AnnotateIgnoreWritesEnd(const char* f, int l);
void AnnotateBenignRaceSized(const char* f, int l, const volatile void* p, unsigned long bytes, const char* why);
}

namespace cudasim {
namespace {

constexpr unsigned no_sync = 1;
thread_local int ignoring = 0;

// TSan would ignore our own edges too while it ignores locks.
template <class F> void honoured(F f) {
    if (ignoring) AnnotateIgnoreSyncEnd("", 0);
    f();
    if (ignoring) AnnotateIgnoreSyncBegin("", 0);
}

}  // namespace

void* tsan_make() { return __tsan_create_fiber(0); }
void tsan_destroy(void* context) { __tsan_destroy_fiber(context); }
void* tsan_current() { return __tsan_get_current_fiber(); }
void tsan_switch(void* context) { __tsan_switch_to_fiber(context, no_sync); }
void tsan_acquire(void* address) {
    honoured([address] { __tsan_acquire(address); });
}
void tsan_release(void* address) {
    honoured([address] { __tsan_release(address); });
}

void tsan_ignore_accesses(bool on) {
    if (on) {
        AnnotateIgnoreReadsBegin("", 0);
        AnnotateIgnoreWritesBegin("", 0);
    } else {
        AnnotateIgnoreReadsEnd("", 0);
        AnnotateIgnoreWritesEnd("", 0);
    }
}

void tsan_ignore_races(void* p, unsigned long bytes) { AnnotateBenignRaceSized("", 0, p, bytes, ""); }

void tsan_ignore(bool on) {
    if (on && ++ignoring == 1) {
        AnnotateIgnoreSyncBegin("", 0);
        tsan_ignore_accesses(true);
    } else if (!on && --ignoring == 0) {
        AnnotateIgnoreSyncEnd("", 0);
        tsan_ignore_accesses(false);
    }
}

}  // namespace cudasim
#endif
