#include "dist/local_rank.h"

#include "dist/rank_state.h"

namespace tandem {

namespace {

LaunchOptions launch_options(const LocalOptions& o) {
    LaunchOptions l;
    l.compute = o.compute;
    l.threads = o.threads;
    l.tile_bytes = o.tile_bytes;
    if (o.card) l.cards = {*o.card};
    check_launch(l);
    return l;
}

}  // namespace

struct LocalRank::State {
    explicit State(const LaunchOptions& o) : group(1, abort), made(make_rank(o, group, 0, CopyStreams::compute)) {}
    ~State() { made->device->drain(); }

    AbortSignal abort;
    HostGroup group;
    std::unique_ptr<RankState> made;
};

LocalRank::LocalRank(const LocalOptions& options) : state_(std::make_unique<State>(launch_options(options))) {}
LocalRank::~LocalRank() = default;
LocalRank::LocalRank(LocalRank&&) noexcept = default;
Rank& LocalRank::rank() { return state_->made->rank; }

}  // namespace tandem
