#include "dist/ranges.h"

#include <algorithm>
#include <cstring>

namespace tandem {

void copy_overlap(std::byte* range, std::size_t begin, std::size_t bytes, std::span<const std::byte> data,
                  std::size_t offset) {
    std::size_t from = std::max(begin, offset), to = std::min(begin + bytes, offset + data.size());
    if (range && from < to) std::memcpy(range + (from - begin), data.data() + (from - offset), to - from);
}

}  // namespace tandem
