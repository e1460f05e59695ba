// Ranks on cards of one process, moved by the copy engines: directly where a card can read another's memory and was
// seen to read it rightly, else through page-locked host memory, in chunks, on the copy engines of both. The host
// threads meet when a collective is enqueued, to tell each other addresses and events; no stream waits for work that is
// not enqueued yet.
#pragma once
#include "dist/host/host_group.h"

namespace tandem {

// cards: by rank. Ranks may share a card. `group` outlives the transport.
std::unique_ptr<Transport> make_peer_transport(HostGroup& group, int rank, const std::vector<int>& cards);

}  // namespace tandem
