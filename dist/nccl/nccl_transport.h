// Ranks on cards, moved by NCCL (2.28): one communicator per rank, without blocking calls, aborted when a rank fails.
#pragma once
#include "dist/host/host_group.h"

namespace tandem {

// cards: by rank, each once: NCCL refuses two ranks on one card. `group` outlives the transport.
std::unique_ptr<Transport> make_nccl_transport(HostGroup& group, int rank, const std::vector<int>& cards);

}  // namespace tandem
