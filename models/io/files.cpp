#include "models/io/files.h"

#include <fmt/core.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/hash.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::string reason(int code) { return std::generic_category().message(code); }

[[noreturn]] void cannot(const char* verb, const fs::path& path) {
    int code = errno;
    throw Error(fmt::format("[files] cannot {} {}: {}", verb, path.string(), reason(code)));
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

void remove_tree(const fs::path& path) {
    std::error_code failure;
    fs::remove_all(path, failure);
    if (failure) throw Error(fmt::format("[files] cannot remove {}: {}", path.string(), failure.message()));
}

void exchange_folders(const fs::path& fresh, const fs::path& target) {
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
        remove_tree(fresh);
        return;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) cannot("replace", target);
    fs::path old = target;
    old += ".old";
    remove_tree(old);
    if (::rename(target.c_str(), old.c_str()) != 0) cannot("move away", target);
    if (::rename(fresh.c_str(), target.c_str()) != 0) cannot("rename a new folder to", target);
    remove_tree(old);
}

// All pieces but the last are of one size.
void read_pieces(const fs::path& path, const std::function<void(std::string_view)>& take) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) throw cannot_read(path, errno);
    std::vector<char> buffer(1 << 16);
    for (std::size_t filled = 0;;) {
        ssize_t n = ::read(file.get(), buffer.data() + filled, buffer.size() - filled);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw cannot_read(path, errno);
        filled += std::size_t(n);
        if (n > 0 && filled < buffer.size()) continue;
        if (filled > 0) take({buffer.data(), filled});
        if (n == 0) return;
        filled = 0;
    }
}

}  // namespace

InputError cannot_read(const fs::path& path, int code) {
    std::error_code ignored;
    std::string why = reason(code);
    if (code == EISDIR) {
        why = "it is a folder; give the file itself";
    } else if (code == ENOTDIR) {
        fs::path folder = path.parent_path();
        while (folder.has_parent_path() && !fs::exists(folder, ignored)) folder = folder.parent_path();
        why = fmt::format("{} is a file, not a folder", folder.string());
    } else if (code == ENOENT && fs::is_symlink(path, ignored)) {
        why = fmt::format("it is a link to {}, which is not there; download or copy it again",
                          fs::read_symlink(path, ignored).string());
    } else if (code == ENOENT) {
        why += "; check the name, or download the file";
    }
    return InputError(fmt::format("[files] cannot read {}: {}", path.string(), why));
}

bool is_there(const fs::path& path) {
    struct stat info;
    return ::lstat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

std::string read_file(const fs::path& path) {
    std::string text;
    read_pieces(path, [&](std::string_view piece) { text += piece; });
    return text;
}

std::uint64_t hash_file(const fs::path& path) {
    std::uint64_t hash = 0;
    read_pieces(path, [&](std::string_view piece) { hash = hash_bytes(std::as_bytes(std::span(piece)), hash); });
    return hash;
}

OutputFile::OutputFile(fs::path path) : path_(std::move(path)), partial_(path_) {
    partial_ += ".partial";
    fd_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) cannot("create", partial_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), partial_(std::move(other.partial_)), fd_(std::exchange(other.fd_, -1)) {}

OutputFile::~OutputFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(partial_.c_str());
}

void OutputFile::write_at(std::size_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), off_t(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) cannot("write", partial_);
        offset += std::size_t(n);
        bytes = bytes.subspan(std::size_t(n));
    }
}

void OutputFile::finish() {
    if (::fsync(fd_) != 0) cannot("fsync", partial_);
    if (::rename(partial_.c_str(), path_.c_str()) != 0) cannot("rename a finished file to", path_);
    if (::close(std::exchange(fd_, -1)) != 0) cannot("close", path_);
    sync_folder(path_.parent_path());
}

void write_file(const fs::path& path, const std::string& text) {
    OutputFile file(path);
    file.write_at(0, std::as_bytes(std::span(text)));
    file.finish();
}

void sync_folder(const fs::path& folder) {
    Descriptor file(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (file.get() < 0) cannot("open", folder);
    if (::fsync(file.get()) != 0) cannot("fsync", folder);
}

void make_empty_folder(const fs::path& folder) {
    remove_tree(folder);
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw Error(fmt::format("[files] cannot create {}: {}", folder.string(), failure.message()));
}

void replace_folder(const fs::path& fresh, const fs::path& target) {
    sync_folder(fresh);
    if (fs::exists(target)) exchange_folders(fresh, target);
    else if (::rename(fresh.c_str(), target.c_str()) != 0) cannot("rename a new folder to", target);
    sync_folder(target.parent_path());
}

}  // namespace tandem
