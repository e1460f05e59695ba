#include "dist/agree.h"

#include <fmt/core.h>

#include <vector>

#include "runtime/error.h"

namespace tandem {

void agree(Collective& collective, const char* what, const Hash& hash) {
    std::vector<std::uint64_t> mine{hash.value()}, all(std::size_t(collective.world_size()));
    collective.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
    for (std::size_t r = 0; r < all.size(); r++)
        if (all[r] != all[0])
            throw Error(fmt::format(
                "[store] expected the same {} on all ranks, got other ones on rank {} than on rank 0; start all "
                "ranks with the same model, options and version",
                what, r));
}

}  // namespace tandem
