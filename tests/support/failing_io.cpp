// Preloaded into the program: the FAULT_AT-th call that changes a file or folder whose path contains FAULT_PATH goes
// wrong as FAULT_DOES says: kill (SIGKILL before the call), term (SIGTERM before it), short (half is written, then the
// disk is full), or the number of an error. FAULT_CALL: only calls of this name count; "" is all but pwrite and write.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace {

const char* setting(const char* name) {
    const char* value = getenv(name);
    return value ? value : "";
}

enum class Fault { none, error, half };

Fault fault(const char* call, const char* path) {
    static std::atomic<int> calls{0}, full{0};
    const char* wanted = setting("FAULT_CALL");
    if (!strstr(path, setting("FAULT_PATH"))) return Fault::none;
    if (*wanted ? strcmp(wanted, call) != 0 : strstr(call, "write") != nullptr) return Fault::none;
    const char* does = setting("FAULT_DOES");
    int number = ++calls, at = atoi(setting("FAULT_AT"));
    bool is_short = strcmp(does, "short") == 0;
    if (is_short && full) return errno = ENOSPC, Fault::error;
    if (number != at) return Fault::none;
    if (strcmp(does, "kill") == 0) raise(SIGKILL);
    if (strcmp(does, "term") == 0) return raise(SIGTERM), Fault::none;
    if (is_short) return full = 1, Fault::half;
    errno = atoi(does);
    return Fault::error;
}

Fault fault(const char* call, int fd) {
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0) return Fault::none;
    return fault(call, path);
}

template <class F> F* next(F*, const char* name) { return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name)); }

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
        if (fault("open", path) != Fault::none) return -1;
    }
    return next(open, "open")(path, flags, mode);
}

int mkdir(const char* path, mode_t mode) noexcept {
    return fault("mkdir", path) != Fault::none ? -1 : next(mkdir, "mkdir")(path, mode);
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
    Fault f = fault("pwrite", fd);
    if (f == Fault::error) return -1;
    return next(pwrite, "pwrite")(fd, data, f == Fault::half ? (bytes + 1) / 2 : bytes, offset);
}

ssize_t write(int fd, const void* data, size_t bytes) {
    if (fault("write", fd) != Fault::none) return -1;
    return next(write, "write")(fd, data, bytes);
}

int fsync(int fd) { return fault("fsync", fd) != Fault::none ? -1 : next(fsync, "fsync")(fd); }

int rename(const char* from, const char* to) noexcept {
    return fault("rename", from) != Fault::none ? -1 : next(rename, "rename")(from, to);
}

int renameat2(int at, const char* from, int to_at, const char* to, unsigned flags) noexcept {
    return fault("rename", from) != Fault::none ? -1 : next(renameat2, "renameat2")(at, from, to_at, to, flags);
}

int unlinkat(int at, const char* name, int flags) noexcept {
    return fault("unlink", at) != Fault::none ? -1 : next(unlinkat, "unlinkat")(at, name, flags);
}
}
