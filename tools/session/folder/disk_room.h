// Whether the disk has room for what a run will write, before its first step.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tandem {

struct DiskNeed {
    std::string what;              // "3 checkpoints of 1.2 MB"
    std::filesystem::path place;   // on whose file system
    std::uint64_t bytes;           // beyond what is there already
};

// An Error with the numbers where a file system has less than its share free for this user.
void check_disk_room(const std::vector<DiskNeed>& needs);

// An Error where this process may not write a file of so many bytes (ulimit -f).
void check_file_limit(const std::filesystem::path& file, std::uint64_t bytes);

// What a file takes: whole blocks.
constexpr std::uint64_t on_disk(std::uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

// Of all files below a folder; 0 where there is none.
std::uint64_t bytes_below(const std::filesystem::path& folder);

}  // namespace tandem
