// A test link of a set speed around another transport. Only the gathers of weights are slowed down.
#pragma once
#include <memory>

#include "dist/transport.h"

namespace tandem {

class AbortSignal;

struct Link {
    double bytes_per_second;  // of what comes from peers
    double latency = 0;       // seconds, per gather
};

std::unique_ptr<Transport> make_throttled(std::unique_ptr<Transport> inner, const Link& link, const AbortSignal& abort);

}  // namespace tandem
