// What TSan is told by hand. The simulator is built without -fsanitize=thread: its own locks must not order the code
// that it runs, or they would hide every missing event wait. All of this does nothing in other builds.
#pragma once

namespace cudasim {

// A TSan "fiber" is a logical thread with its own vector clock. One per CUDA thread makes TSan a race detector for
// shared and global memory inside a kernel.
#ifdef CUDASIM_TSAN
void* tsan_make();
void tsan_destroy(void* context);
void* tsan_current();
void tsan_switch(void* context);  // no happens-before edge
void tsan_acquire(void* address);
void tsan_release(void* address);
void tsan_ignore(bool on);           // locks taken meanwhile create no edge, accesses are not checked
void tsan_ignore_accesses(bool on);  // of the current context
void tsan_ignore_races(void* p, unsigned long bytes);
#else
inline void* tsan_make() { return nullptr; }
inline void tsan_destroy(void*) {}
inline void* tsan_current() { return nullptr; }
inline void tsan_switch(void*) {}
inline void tsan_acquire(void*) {}
inline void tsan_release(void*) {}
inline void tsan_ignore(bool) {}
inline void tsan_ignore_accesses(bool) {}
inline void tsan_ignore_races(void*, unsigned long) {}
#endif

}  // namespace cudasim
