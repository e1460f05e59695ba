// Ranks as threads of one process: what they share, and each rank's ends of it.
#pragma once
#include <memory>

#include "dist/host/meeting.h"
#include "dist/transport.h"
#include "runtime/collective.h"

namespace tandem {

struct HostGroup {  // outlives the transports and collectives made from it
    HostGroup(int ranks, AbortSignal& signal)
        : world_size(ranks), abort(signal), control(ranks, signal), gather(ranks, signal), reduce(ranks, signal) {}

    void leave(int rank) {
        for (Meeting* m : {&control, &gather, &reduce}) m->leave(rank);
    }
    void begin() {
        for (Meeting* m : {&control, &gather, &reduce}) m->begin();
    }

    const int world_size;
    AbortSignal& abort;
    // One for each thread of a rank that meets its peers' like threads: ranks', gather streams', reduce streams'.
    Meeting control, gather, reduce;
};

std::unique_ptr<Transport> make_host_transport(HostGroup& group, int rank);
std::unique_ptr<Collective> make_host_collective(HostGroup& group, int rank);

}  // namespace tandem
