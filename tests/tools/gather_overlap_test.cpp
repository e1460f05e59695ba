#include "tools/session/gather_overlap.h"

#include <doctest/doctest.h>

namespace tandem {

namespace {

void add(Trace& trace, int rank, const char* lane, const char* name, int begin, int end) {
    Trace::Clock::time_point zero{};
    trace.add({name, rank, lane, zero + std::chrono::seconds(begin), zero + std::chrono::seconds(end)});
}

}  // namespace

TEST_CASE("a gather is exposed while its own rank's compute waits") {
    Trace trace(true);
    add(trace, 0, "gather", "gather", 0, 4);
    add(trace, 0, "gather", "gather.trainable", 6, 10);
    add(trace, 0, "compute", "wait", 3, 7);      // 1 s of each gather
    add(trace, 0, "compute", "linear", 7, 10);   // compute runs: hidden
    add(trace, 0, "compute", "wait", 12, 20);    // for something else
    add(trace, 0, "gather", "wait", 10, 20);     // the lane is not busy
    add(trace, 1, "gather", "gather", 3, 7);     // what rank 0 waits for does not expose it
    add(trace, 1, "compute", "wait", 4, 5);
    GatherOverlap o = gather_overlap(trace);
    CHECK(o.gathering == 12);
    CHECK(o.exposed == 3);
    CHECK(o.hidden() == 0.75);
    CHECK(gather_report(trace) ==
          "[Gather] 12.00 s of gathering, 3.00 s of them while compute waited: 75 % hidden behind compute");
}

TEST_CASE("without gathers nothing is exposed") {
    Trace trace(true);
    add(trace, 0, "compute", "wait", 0, 5);
    CHECK(gather_overlap(trace).hidden() == 1);
}

}  // namespace tandem
