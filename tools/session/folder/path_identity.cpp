#include "tools/session/folder/path_identity.h"

#include <sys/stat.h>

#include <optional>

namespace tandem {

namespace fs = std::filesystem;

namespace {

struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity(const fs::path& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return std::nullopt;
    return Identity{s.st_dev, s.st_ino};
}

// Without links, "." and ".." as far as it is there.
fs::path resolved(const fs::path& path) {
    std::error_code failure;
    fs::path whole = fs::weakly_canonical(fs::absolute(path, failure), failure);
    return failure ? fs::absolute(path, failure).lexically_normal() : whole;
}

}  // namespace

bool lies_in(const fs::path& path, const fs::path& other) {
    std::optional<Identity> wanted = identity(other);
    if (!wanted) return false;
    for (fs::path p = resolved(path);; p = p.parent_path()) {
        if (identity(p) == wanted) return true;
        if (p == p.parent_path()) return false;
    }
}

fs::path existing_folder(const fs::path& path) {
    fs::path p = resolved(path);
    std::error_code unreadable;
    while (!fs::is_directory(p, unreadable) && p != p.parent_path()) p = p.parent_path();
    return p;
}

}  // namespace tandem
