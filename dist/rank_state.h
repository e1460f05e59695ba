// All that a rank is made of. Made in its thread; freed when nobody reads its memory any more.
#pragma once
#include "dist/host/host_group.h"
#include "dist/rank_device.h"

namespace tandem {

struct RankState {
    // Binds the calling thread to the device.
    RankState(const LaunchOptions& options, const AbortSignal& abort, std::unique_ptr<RankDevice> device,
              std::unique_ptr<Transport> transport, std::unique_ptr<Collective> collective);

    std::unique_ptr<RankDevice> device;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Collective> collective;
    Context ctx;
    Rank rank;
};

// Throws what is wrong with `options` on any rank.
void check_launch(const LaunchOptions& options);

// A rank of `group`, on a card or the CPU.
std::unique_ptr<RankState> make_rank(const LaunchOptions& options, HostGroup& group, int rank, CopyStreams copies);

}  // namespace tandem
