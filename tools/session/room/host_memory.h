// What this process may still take of the host's memory, and who says so.
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem {

struct HostLimit {
    enum class Of { resident, mapped, pinned };  // pages, address space, page-locked pages
    Of of;
    std::size_t bytes;   // that are left
    std::string source;  // "MemAvailable of /proc/meminfo"
};

// What getrlimit says of address space, of private writable memory and of locked memory; none: no limit.
struct ProcessLimits {
    std::optional<std::size_t> address_space, data, locked;
};
ProcessLimits process_limits();

// Of everything that this process draws on: the system, each control group up its hierarchy, its own limits. `root`
// stands before /proc and /sys.
std::vector<HostLimit> host_limits(const ProcessLimits& limits, const std::filesystem::path& root = "/");

// Address space that a thread takes before it does anything: its stack, and its part of the C heap.
std::size_t address_space_of_thread();

}  // namespace tandem
