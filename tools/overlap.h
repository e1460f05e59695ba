// How much of the weights' gathering was hidden behind compute, read from a trace.
#pragma once
#include <algorithm>
#include <string>

#include "runtime/trace.h"

namespace tandem {

struct Overlap {
    double gathering = 0;  // seconds that gather lanes were busy, all ranks
    double waiting = 0;    // seconds that compute lanes waited for them
    double hidden() const { return gathering > 0 ? 1 - std::min(1.0, waiting / gathering) : 1; }
};

Overlap overlap(const Trace& trace);
std::string overlap_report(const Trace& trace);

}  // namespace tandem
