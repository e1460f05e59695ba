// Files read whole, and files and folders written so that their final name never shows half of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "runtime/error.h"

namespace tandem {

// Why a file cannot be opened or read, `code` being the system's, and what to do.
InputError cannot_read(const std::filesystem::path& path, int code);

// Whether there is anything under this name, a link to nothing or what may not be looked at included: reading it says.
bool is_there(const std::filesystem::path& path);

// The bytes of a file or a pipe; an InputError says why it cannot be read.
std::string read_file(const std::filesystem::path& path);

// Of its bytes, read in pieces; an InputError says why it cannot be read.
std::uint64_t hash_file(const std::filesystem::path& path);

// Written under the name `path`.partial and renamed by finish(). Without finish() the partial file is removed.
// Every failure (disk full, short write, EIO, …) is an Error with the path and the system's reason.
class OutputFile {
  public:
    explicit OutputFile(std::filesystem::path path);
    OutputFile(OutputFile&&) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile();

    void write_at(std::size_t offset, std::span<const std::byte> bytes);
    void finish();  // fsync, rename, fsync of the folder

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_, partial_;
    int fd_ = -1;
};

void write_file(const std::filesystem::path& path, const std::string& text);  // atomically

void sync_folder(const std::filesystem::path& folder);
void make_empty_folder(const std::filesystem::path& folder);  // and its parents; what was in it is removed

// Gives the folder `fresh`, whose files are on disk already, the name `target`. An older `target` goes in the same
// moment where the file system can exchange names; elsewhere it is moved to `target`.old first, so it is never lost.
void replace_folder(const std::filesystem::path& fresh, const std::filesystem::path& target);

}  // namespace tandem
