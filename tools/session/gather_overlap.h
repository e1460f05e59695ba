// How much of the weights' gathering was hidden behind compute, read from a trace.
#pragma once
#include <string>

#include "runtime/trace.h"

namespace tandem {

struct GatherOverlap {
    double gathering = 0;  // seconds that gather lanes were busy, all ranks
    double exposed = 0;    // seconds of them while the rank's compute lane stood still
    double hidden() const { return gathering > 0 ? 1 - exposed / gathering : 1; }
};

GatherOverlap gather_overlap(const Trace& trace);
std::string gather_report(const Trace& trace);

}  // namespace tandem
