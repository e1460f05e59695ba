#include "models/io/safetensors.h"

#include <fmt/core.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "models/io/files.h"
#include "quant/host_weight.h"
#include "quant/magnitude.h"

namespace tandem {

namespace {

std::span<const std::byte> map_file(const std::filesystem::path& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe that nobody writes to would block
    if (fd < 0) throw cannot_read(path, errno);
    struct stat info;
    int code = ::fstat(fd, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
    if (code == 0 && !S_ISREG(info.st_mode)) {
        ::close(fd);
        throw InputError(fmt::format("[safetensors] {} is a pipe or a device; weights are mapped from a file on disk",
                                     path.string()));
    }
    void* at = nullptr;
    if (code == 0 && info.st_size > 0) {
        at = ::mmap(nullptr, std::size_t(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED) code = errno;
    }
    ::close(fd);
    if (code != 0) throw cannot_read(path, code);
    return {static_cast<const std::byte*>(at), std::size_t(info.st_size)};
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
    SafetensorsFile file;
    file.path_ = path;
    file.map_ = map_file(path);
    file.header_ = safetensors::parse_header(file.map_, path.string());
    for (std::size_t i = 0; i < file.header_.tensors.size(); i++) file.index_[file.header_.tensors[i].name] = i;
    return file;
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept { *this = std::move(other); }

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(map_, other.map_);
    std::swap(header_, other.header_);
    std::swap(index_, other.index_);
    return *this;
}

SafetensorsFile::~SafetensorsFile() {
    if (!map_.empty()) ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
    auto at = index_.find(name);
    return at == index_.end() ? nullptr : &header_.tensors[at->second];
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorInfo& tensor) const {
    return map_.subspan(tensor.offset, tensor.bytes);
}

void SafetensorsFile::drop(const TensorInfo& tensor) const {
    std::size_t page = std::size_t(::sysconf(_SC_PAGESIZE));
    std::size_t begin = tensor.offset / page * page;  // pages shared with a neighbour are only read again
    ::madvise(const_cast<std::byte*>(map_.data()) + begin, tensor.offset + tensor.bytes - begin, MADV_DONTNEED);
}

bool to_float(DType dtype, std::span<const std::byte> from, std::span<float> to) {
    constexpr std::size_t piece = 4096;  // stays in the L1 cache for the second look
    if (from.size() != to.size() * size_of(dtype))
        throw Error(fmt::format("[to_float] expected {} bytes, got {}", to.size() * size_of(dtype), from.size()));
    const HostWeight weight{from, dtype, 1, std::int64_t(to.size())};
    std::int32_t largest = 0;
    for (std::size_t begin = 0; begin < to.size(); begin += piece) {
        const auto count = std::int64_t(std::min(piece, to.size() - begin));
        weight.widen(std::int64_t(begin), count, to.data() + begin);
        largest = std::max(largest, max_magnitude_bits(to.data() + begin, count));
    }
    return largest < magnitude_of_infinity;
}

}  // namespace tandem
