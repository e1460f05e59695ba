#include "dist/ranges.h"

#include <algorithm>

namespace tandem {

Overlap overlap(std::size_t begin, std::size_t bytes, std::span<const std::byte> data, std::size_t offset) {
    const std::size_t from = std::max(begin, offset), to = std::min(begin + bytes, offset + data.size());
    if (from >= to) return {0, {}};
    return {from - begin, data.subspan(from - offset, to - from)};
}

}  // namespace tandem
