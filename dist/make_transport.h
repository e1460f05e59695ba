// The transport of a rank, by kind and device.
#pragma once
#include "dist/host/host_group.h"
#include "dist/launch.h"

namespace tandem {

// automatic: host on CPU ranks, peer on cards. Throws InputError for a kind that the ranks' devices cannot have.
std::unique_ptr<Transport> make_transport(const LaunchOptions& options, HostGroup& group, int rank);

}  // namespace tandem
