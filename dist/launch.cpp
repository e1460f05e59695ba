#include "dist/launch.h"

#include <algorithm>

#include "dist/ranks.h"

namespace tandem {

int threads_of(const LaunchOptions& options, int rank) {
    int share = options.threads / options.world_size, left = options.threads % options.world_size;
    return std::max(1, share + (rank < left ? 1 : 0));
}

void launch(const LaunchOptions& options, const std::function<void(Rank&)>& body) { Ranks(options).run(body); }

}  // namespace tandem
