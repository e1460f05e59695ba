#include "tools/session/folder/disk_room.h"

#include <fmt/core.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <map>

#include "runtime/error.h"
#include "tools/session/folder/path_identity.h"
#include "tools/session/room/room.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

struct Disk {
    fs::path folder;
    std::uint64_t needed = 0;
    std::string parts;
};

}  // namespace

void check_disk_room(const std::vector<DiskNeed>& needs) {
    std::map<dev_t, Disk> disks;
    for (const DiskNeed& need : needs) {
        fs::path folder = existing_folder(need.place);
        struct stat s {};
        if (::stat(folder.c_str(), &s) != 0) continue;  // that it cannot be written is found elsewhere
        Disk& disk = disks.try_emplace(s.st_dev, Disk{need.place, 0, ""}).first->second;
        disk.needed += need.bytes;
        disk.parts += (disk.parts.empty() ? "" : ", ") + need.what;
    }
    for (const auto& [device, disk] : disks) {
        struct statvfs s {};
        if (::statvfs(existing_folder(disk.folder).c_str(), &s) != 0 || s.f_blocks == 0) continue;  // it does not say
        std::uint64_t free = std::uint64_t(s.f_bavail) * s.f_frsize;
        if (disk.needed > free)
            throw Error(fmt::format("{}: No space left on device for this run: it will need {} ({} bytes: {}), {} ({} "
                                    "bytes) are free; make room, lower {} or give another {}",
                                    disk.folder.string(), size_text(disk.needed), disk.needed, disk.parts,
                                    size_text(free), free, setting("keep"), setting("output_dir")));
    }
}

void check_file_limit(const fs::path& file, std::uint64_t bytes) {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur) return;
    throw Error(fmt::format("{}: File too large: it will have {} bytes, and this process may write files of {} at "
                            "most; raise the limit (ulimit -f)",
                            file.string(), bytes, std::uint64_t(limit.rlim_cur)));
}

std::uint64_t bytes_below(const fs::path& folder) {
    std::uint64_t bytes = 0;
    std::error_code gone;
    for (fs::recursive_directory_iterator i(folder, gone), end; i != end; i.increment(gone)) {
        std::uint64_t size = i->is_regular_file(gone) ? i->file_size(gone) : 0;
        if (!gone) bytes += on_disk(size);
    }
    return bytes;
}

}  // namespace tandem
