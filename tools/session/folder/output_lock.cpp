#include "tools/session/folder/output_lock.h"

#include <fmt/core.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/error.h"

namespace tandem {

OutputLock::~OutputLock() {
    if (folder_ >= 0) close(folder_);
}

void OutputLock::take(const std::filesystem::path& folder) {
    if (folder_ >= 0) return;
    folder_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) return;  // not there, or what is made in it will say why it cannot be
    if (flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        throw InputError(
            fmt::format("{} {}: another run is writing into it; wait for its end or give another folder",
                        setting("output_dir"), folder.string()));
}

}  // namespace tandem
