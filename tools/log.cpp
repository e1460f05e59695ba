#include "tools/log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/error.h"
#include "runtime/utf8.h"
#include "tools/options/options.h"

namespace tandem {

bool write_whole(int descriptor, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {  // another process that has the stream made it non-blocking
            pollfd room{descriptor, POLLOUT, 0};
            ::poll(&room, 1, -1);
            continue;
        }
        if (n <= 0) return false;
        bytes.remove_prefix(std::size_t(n));
    }
    return true;
}

void log_line(std::string_view text) noexcept {
    try {
        write_whole(STDERR_FILENO, printable(worded(text, OptionSet::flag)) + "\n");
    } catch (...) {  // no memory for a copy
        write_whole(STDERR_FILENO, "tandem: out of memory\n");
    }
}

Stdout open_standard_descriptors() {
    Stdout out = Stdout::open;
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
        if (fd == STDOUT_FILENO) out = Stdout::closed;
        // Gets the lowest number that is free: fd. Without a /dev/null, what keeps the number and takes nothing.
        if (::open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0) ::open("/", O_RDONLY);
    }
    return out;
}

OutputLost::OutputLost(int code)
    : std::runtime_error("the output cannot be written: " + std::generic_category().message(code)),
      reader_left_(code == EPIPE) {}

void print_text(std::string_view text) {
    if (!write_whole(STDOUT_FILENO, text)) throw OutputLost(errno);
}

void print_line(std::string_view text) { print_text(std::string(text) + "\n"); }

}  // namespace tandem
