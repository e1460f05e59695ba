// What a stream is told of the rank that it works for.
#pragma once

namespace tandem {

class AbortSignal;
class Trace;

struct StreamOwner {
    const AbortSignal* abort;
    Trace* trace = nullptr;  // may be null
    int rank = 0;
    const char* lane = "";  // in traces: "compute", "gather", "reduce"; on a card also "ahead"
};

}  // namespace tandem
