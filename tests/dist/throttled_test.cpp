#include "dist/throttled/throttled.h"

#include "runtime/trace.h"
#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

Around slow_link(double speed, double latency) {
    return [=](std::unique_ptr<Transport> inner, const AbortSignal& abort) {
        return make_throttled(std::move(inner), {speed, latency}, abort);
    };
}

}  // namespace

TEST_CASE("throttled: a link takes at least its time, on the gather lane, and gives the same bytes") {
    Trace trace(true);
    LaunchOptions options;
    options.world_size = 2;
    options.trace = &trace;
    options.around = slow_link(1e6, 0.002);
    launch(options, [](Rank& rank) {
        Context& ctx = rank.context();
        std::vector<UnitLayout> units{{"a", 20000, 0}, {"b", 20000, 0}};
        LayerStore& store = rank.make_store(units, {.prefetch = 1, .schedules = {{0, 1, 0, 1}}});
        std::vector<std::byte> bytes(20000, std::byte{7});
        for (int u : {0, 1}) store.load_frozen(u, 0, bytes);
        store.schedule(std::vector<int>{0, 1, 0, 1});
        for (int u : {0, 1, 0, 1}) {
            Lease lease = store.acquire(u, ctx.compute());
            CHECK(std::equal(bytes.begin(), bytes.end(), lease.frozen().begin(), lease.frozen().end()));
            ctx.compute().enqueue("work", [] { std::this_thread::sleep_for(std::chrono::milliseconds(3)); });
        }
    });
    // 10240 bytes come from the peer: 10.24 ms and the latency, for each of the two gathers.
    for (int rank : {0, 1}) {
        auto first = Trace::Clock::time_point::max(), last = Trace::Clock::time_point::min();
        int gathers = 0, works = 0;
        bool overlap = false;
        for (const Trace::Span& s : trace.spans()) {
            if (s.rank != rank) continue;
            if (s.lane == std::string("gather") && s.name == std::string("link")) {
                first = std::min(first, s.begin);
                last = std::max(last, s.end);
            }
            if (s.lane == std::string("gather") && s.name == std::string("gather")) gathers++;
            if (s.name != std::string("work")) continue;
            CHECK(s.lane == std::string("compute"));
            works++;
            for (const Trace::Span& l : trace.spans())
                if (l.rank == rank && l.lane == std::string("gather") && l.begin < s.end && s.begin < l.end)
                    overlap = true;
        }
        CHECK(works == 4);
        CHECK(gathers == 2);  // both units stay: the schedule names them again within the prefetch
        CHECK(std::chrono::duration<double>(last - first).count() >= 2 * 0.01224);  // never less: one follows the other
        CHECK(overlap);
    }
}

TEST_CASE("throttled: a link at a thousandth of its speed is slow, not dead; a failure does not wait for it") {
    LaunchOptions options;
    options.world_size = 2;
    options.around = slow_link(10, 0);  // bytes per second
    auto begin = std::chrono::steady_clock::now();
    auto run = [&] {
        launch(options, [](Rank& rank) {
            LayerStore& store = rank.make_store({{"a", 20000, 0}}, {.schedules = {{0}}});
            store.schedule(std::vector<int>{0});
            if (rank.context().rank() == 1) throw Error("enough");
            store.acquire(0, rank.context().compute());
        });
    };
    CHECK_THROWS_WITH_AS(run(), "rank 1: enough", Error);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));  // the link would take 1024 s
    options.around = slow_link(0, 0);
    CHECK_THROWS_AS(launch(options, [](Rank&) {}), InputError);
}
