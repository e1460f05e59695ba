#include "tools/session/room/host_memory.h"

#include <fmt/core.h>
#include <pthread.h>
#include <sys/resource.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::optional<std::size_t> number(const std::string& text, int base = 10) {
    std::size_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return value;
}

std::size_t difference(std::size_t all, std::size_t used) { return all > used ? all - used : 0; }

// A page's entry in the page table is 8 of its 4096 bytes, and the kernel takes it from the same memory.
std::size_t without_page_tables(std::size_t bytes) { return bytes - bytes / 512; }

// The value behind `key` in a file with a key and a value on each line.
std::optional<std::size_t> value_of(const fs::path& file, const std::string& key, int base = 10) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name, value;
        if (words >> name >> value && name == key) return number(value, base);
    }
    return std::nullopt;
}

std::optional<std::size_t> kibibytes_of(const fs::path& file, const std::string& key) {
    std::optional<std::size_t> value = value_of(file, key);
    if (value) *value *= 1024;
    return value;
}

std::string first_word(const fs::path& file) {
    std::ifstream in(file);
    std::string word;
    in >> word;
    return word;
}

// How the two versions of control groups name the same things.
struct GroupFiles {
    const char *limit, *anonymous, *shared;
};
constexpr GroupFiles version_1{"memory.limit_in_bytes", "total_rss", "total_shmem"},
    version_2{"memory.max", "anon", "shmem"};

struct Hierarchy {
    const GroupFiles& files;
    fs::path mount, group;  // the group relative to the mount
};

bool lists(const std::string& list, const std::string& word) {
    return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// The group of /proc/self/cgroup, as a path below a mount that shows the hierarchy from `mount_root` on. A group
// outside of what is mounted (a container's view of its host) is the mount itself.
fs::path below(const std::string& mount_root, const std::string& group) {
    fs::path path = fs::path(group).lexically_relative(mount_root);
    return path.empty() || *path.begin() == ".." ? fs::path() : path;
}

// The group that has the memory controller in version 1, and that of version 2.
std::string group_of(const fs::path& root, const GroupFiles& files) {
    std::ifstream in(root / "proc/self/cgroup");
    for (std::string line; std::getline(in, line);) {
        std::size_t controllers = line.find(':') + 1, group = line.find(':', controllers);
        if (controllers == 0 || group == line.npos) continue;
        const std::string list = line.substr(controllers, group - controllers);
        if (&files == &version_1 ? lists(list, "memory") : list.empty()) return line.substr(group + 1);
    }
    return "/";
}

// Of /proc/self/mountinfo: "35 31 0:32 ROOT MOUNT OPTIONS … - cgroup SOURCE rw,memory".
std::vector<Hierarchy> hierarchies(const fs::path& root) {
    std::vector<Hierarchy> found;
    std::ifstream in(root / "proc/self/mountinfo");
    for (std::string line; std::getline(in, line);) {
        std::size_t dash = line.find(" - ");
        if (dash == line.npos) continue;
        std::istringstream before(line.substr(0, dash)), after(line.substr(dash + 3));
        std::string skipped, mount_root, mount, type, source, options;
        before >> skipped >> skipped >> skipped >> mount_root >> mount;
        after >> type >> source >> options;
        const bool second = type == "cgroup2";
        if (!second && !(type == "cgroup" && lists(options, "memory"))) continue;
        const GroupFiles& files = second ? version_2 : version_1;
        found.push_back({files, mount, below(mount_root, group_of(root, files))});
    }
    return found;
}

// Pages of files are let go when others need them; anonymous and shared ones are not.
void add_groups(const Hierarchy& h, const fs::path& root, std::vector<HostLimit>& all) {
    for (fs::path group = h.group;; group = group.parent_path()) {
        const fs::path folder = (h.mount / group).lexically_normal(), here = root / folder.relative_path();
        if (std::optional<std::size_t> limit = number(first_word(here / h.files.limit))) {
            const std::size_t used = value_of(here / "memory.stat", h.files.anonymous).value_or(0) +
                                     value_of(here / "memory.stat", h.files.shared).value_or(0);
            all.push_back({HostLimit::Of::resident, without_page_tables(difference(*limit, used)),
                           fmt::format("{}, less {} in use", (folder / h.files.limit).string(), used)});
        }
        if (group.empty() || group == ".") return;
    }
}

// Where the system promises no more than it has.
void add_commit_limit(const fs::path& root, std::vector<HostLimit>& all) {
    if (first_word(root / "proc/sys/vm/overcommit_memory") != "2") return;
    const fs::path file = root / "proc/meminfo";
    auto limit = kibibytes_of(file, "CommitLimit:"), used = kibibytes_of(file, "Committed_AS:");
    if (limit && used)
        all.push_back({HostLimit::Of::mapped, difference(*limit, *used),
                       "CommitLimit of /proc/meminfo, less Committed_AS: overcommit_memory is 2"});
}

constexpr int may_lock_memory = 14;  // CAP_IPC_LOCK, by which nothing limits locked pages

void add_own_limits(const ProcessLimits& limits, const fs::path& root, std::vector<HostLimit>& all) {
    const fs::path status = root / "proc/self/status";
    auto add = [&](HostLimit::Of of, std::optional<std::size_t> limit, const char* used, const char* source) {
        if (limit) all.push_back({of, difference(*limit, kibibytes_of(status, used).value_or(0)), source});
    };
    add(HostLimit::Of::mapped, limits.address_space, "VmSize:", "RLIMIT_AS, less what is mapped; see ulimit -v");
    add(HostLimit::Of::mapped, limits.data, "VmData:", "RLIMIT_DATA, less what is in use; see ulimit -d");
    const bool unlimited = (value_of(status, "CapEff:", 16).value_or(0) >> may_lock_memory) & 1;
    if (!unlimited)
        add(HostLimit::Of::pinned, limits.locked, "VmLck:", "RLIMIT_MEMLOCK, less what is locked; see ulimit -l");
}

}  // namespace

ProcessLimits process_limits() {
    auto limit = [](auto resource) -> std::optional<std::size_t> {
        rlimit l{};
        if (getrlimit(resource, &l) != 0 || l.rlim_cur == RLIM_INFINITY) return std::nullopt;
        return l.rlim_cur;
    };
    return {limit(RLIMIT_AS), limit(RLIMIT_DATA), limit(RLIMIT_MEMLOCK)};
}

std::vector<HostLimit> host_limits(const ProcessLimits& limits, const fs::path& root) {
    std::vector<HostLimit> all;
    if (std::optional<std::size_t> available = kibibytes_of(root / "proc/meminfo", "MemAvailable:"))
        all.push_back({HostLimit::Of::resident, without_page_tables(*available), "MemAvailable of /proc/meminfo"});
    for (const Hierarchy& h : hierarchies(root)) add_groups(h, root, all);
    add_commit_limit(root, all);
    add_own_limits(limits, root, all);
    return all;
}

std::size_t address_space_of_thread() {
    constexpr std::size_t heap = 64u << 20;  // what malloc reserves for a thread that allocates
    std::size_t stack = 8u << 20;
    pthread_attr_t attributes;
    if (pthread_getattr_default_np(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
    return stack + heap;
}

}  // namespace tandem
