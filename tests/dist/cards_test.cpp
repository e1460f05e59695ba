// Ranks on cards move the same bytes, and add in the same order, as CPU ranks. In builds with CUDA only.
#include "runtime/cuda/cards.h"

#include <map>

#include "runtime/trace.h"
#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

int card_count() {
    if constexpr (build::has_cuda) return int(cards().size());
    return 0;
}

struct CardSetup {
    std::vector<int> cards;
    TransportKind transport;
};

// Ranks of one card share it: only peer can.
std::vector<CardSetup> card_setups() {
    std::vector<CardSetup> all{{{0}, TransportKind::peer}, {{0, 0}, TransportKind::peer}};
    if (card_count() > 1) {
        all.push_back({{0, 1}, TransportKind::peer});
        all.push_back({{0, 1}, TransportKind::nccl});
        all.push_back({{1, 0, 1}, TransportKind::peer});
    }
    return all;
}

bool skipped() {
    if (card_count() > 0) return false;
    if (build::has_cuda) MESSAGE("SKIPPED: no card here");
    return true;
}

}  // namespace

TEST_CASE("cards: every transport and place of weights gives the CPU ranks' bits") {
    if (skipped()) return;
    for (unsigned seed : {1u, 2u, 3u}) {
        SmallModel m = random_model(seed);
        for (const CardSetup& setup : card_setups())
            for (Strategy strategy : {Strategy::ddp, Strategy::shard_grad_op, Strategy::full_shard})
                for (FrozenFrom frozen : {FrozenFrom::device, FrozenFrom::mirror, FrozenFrom::host}) {
                    const int world = int(setup.cards.size());
                    if (frozen != FrozenFrom::device && strategy == Strategy::ddp) continue;
                    if (frozen == FrozenFrom::mirror && world == 1) continue;
                    CAPTURE(int(frozen));
                    CAPTURE(seed);
                    CAPTURE(world);
                    CAPTURE(int(setup.transport));
                    CAPTURE(int(strategy));
                    SmallRun run{.world_size = world, .store = {.strategy = strategy, .prefetch = int(seed) - 1}};
                    Seen expected = run_model(m, run);
                    run.cards = setup.cards;
                    run.transport = setup.transport;
                    run.store.frozen = frozen;
                    Seen got = run_model(m, run);
                    CHECK((got.leased == expected.leased));
                    CHECK((got.masters == expected.masters));
                }
    }
}

TEST_CASE("cards: a rank that fails ends all, whatever its peers wait for") {
    if (skipped()) return;
    for (const CardSetup& setup : card_setups()) {
        if (setup.cards.size() < 2) continue;
        CAPTURE(int(setup.transport));
        LaunchOptions options;
        options.world_size = int(setup.cards.size());
        options.cards = setup.cards;
        options.transport = setup.transport;
        SmallModel m = random_model(7);
        CHECK_THROWS_WITH_AS(launch(options,
                                    [&](Rank& rank) {
                                        StoreOptions o;
                                        o.schedules = m.schedules;
                                        LayerStore& store = rank.make_store(m.units, o);
                                        load(store, m, DType::f32);
                                        store.schedule(m.schedules[0]);
                                        if (rank.context().rank() == 1) throw Error("lost power");
                                        run_program(rank, store, m);
                                    }),
                             "rank 1: lost power", Error);
    }
}

TEST_CASE("cards: a trace says what each stream did, and when") {
    if (skipped()) return;
    using namespace std::chrono_literals;
    constexpr auto work = 2ms, clocks = 1ms;  // by how much the card's and the host's may drift apart meanwhile
    constexpr int works = 100;                // more than wait to be looked at
    Trace trace(true);
    LaunchOptions options{.world_size = 2, .cards = {0, card_count() > 1 ? 1 : 0}, .trace = &trace};
    const auto started = Trace::Clock::now();
    launch(options, [&](Rank& rank) {
        Context& ctx = rank.context();
        LayerStore& store = rank.make_store({{"a", 20000, 0}}, {.prefetch = 1, .schedules = {{0}}});
        store.load_frozen(0, 0, std::vector<std::byte>(20000, std::byte{7}));
        store.schedule(std::vector<int>{0});
        Lease lease = store.acquire(0, ctx.compute());
        StreamSpan span(ctx.compute(), "all");
        for (int i = 0; i < works; i++) ctx.compute().enqueue("work", [=] { std::this_thread::sleep_for(work); });
    });
    const auto ended = Trace::Clock::now();
    for (int rank : {0, 1}) {
        int copies = 0, seen = 0;
        Trace::Span all{}, last{};
        std::map<std::string, std::pair<Trace::Clock::time_point, Trace::Clock::time_point>> lanes;  // begin and end
        for (const Trace::Span& s : trace.spans()) {
            if (s.rank != rank) continue;
            CHECK(s.begin <= s.end);
            const std::string lane = s.lane, name = s.name;
            auto& [begin, end] = lanes.try_emplace(lane, s.begin, s.end).first->second;
            begin = std::min(begin, s.begin);
            end = std::max(end, s.end);
            if (lane == "gather" && name == "copy") copies++;
            if (name == "all") all = s;
            if (name != "work") continue;
            CHECK(lane == "compute");
            CHECK(s.end - s.begin >= work);
            if (seen++ > 0) CHECK(s.begin >= last.end - 10us);  // of rounding
            last = s;
        }
        for (const auto& [lane, times] : lanes) CHECK(times.second - times.first <= ended - started + clocks);
        CHECK(copies >= 1);
        CHECK(seen == works);
        CHECK(all.end - all.begin >= works * work);
        CHECK(all.end >= last.end - 10us);
    }
}
