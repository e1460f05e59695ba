#include "dist/store.h"

#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

// Shares of gradients are halves and quarters of small integers: sums over ranks are exact, so one rank is comparable
// bit for bit with several.
TEST_CASE("stores: prefetch 0 = 1 = 2 = 3, streamed = kept = resident, any number of ranks, bit for bit") {
    for (unsigned seed = 1; seed <= 6; seed++) {
        const SmallModel m = random_model(seed);
        const DType compute = seed % 3 == 0 ? DType::bf16 : seed % 3 == 1 ? DType::f32 : DType::f64;
        const Seen one = run_model(m, {1, {}, compute});
        for (int world : {2, 4})
            for (Strategy strategy : {Strategy::ddp, Strategy::shard_grad_op, Strategy::full_shard})
                for (int prefetch : {0, 1, 2, 3}) {
                    if (strategy == Strategy::ddp && prefetch) continue;
                    INFO("seed ", seed, " ranks ", world, " strategy ", int(strategy), " prefetch ", prefetch);
                    Seen seen =
                        run_model(m, {world, {.strategy = strategy, .prefetch = prefetch, .poison = true}, compute});
                    CHECK(seen.leased == one.leased);
                    CHECK(seen.masters == one.masters);
                }
    }
}

TEST_CASE("stores: frozen weights mirrored or on the host alone give the bits that devices give") {
    for (unsigned seed = 31; seed <= 34; seed++) {
        const SmallModel m = random_model(seed);
        const Seen wanted = run_model(m, {1, {}, DType::bf16});
        for (int world : {1, 2, 3})
            for (FrozenFrom frozen : {FrozenFrom::mirror, FrozenFrom::host})
                for (Strategy strategy : {Strategy::shard_grad_op, Strategy::full_shard})
                    for (int prefetch : {0, 1, 2}) {
                        INFO("seed ", seed, " ranks ", world, " from ", int(frozen), " prefetch ", prefetch);
                        const StoreOptions store{
                            .strategy = strategy, .prefetch = prefetch, .frozen = frozen, .poison = true};
                        const Seen seen = run_model(m, {world, store, DType::bf16, seed > 32});
                        CHECK(seen.leased == wanted.leased);
                        CHECK(seen.masters == wanted.masters);
                    }
    }
    const SmallModel m = random_model(31);
    CHECK_THROWS_WITH_AS(launch({}, [&](Rank& r) { r.make_store(m.units, {.frozen = FrozenFrom::host}); }),
                         doctest::Contains("need a HostWeights"), Error);
}

// Nothing but events orders such a stream against gathers and reductions: a missing wait shows as poison or as wrong
// sums.
TEST_CASE("stores: users that lag behind see the same bits") {
    for (unsigned seed = 21; seed <= 24; seed++) {
        const SmallModel m = random_model(seed);
        const DType compute = seed % 2 ? DType::bf16 : DType::f32;
        const Seen wanted = run_model(m, {1, {}, compute});
        for (int world : {1, 2})
            for (Strategy strategy : {Strategy::ddp, Strategy::shard_grad_op, Strategy::full_shard})
                for (int prefetch : {0, 1, 2}) {
                    INFO("seed ", seed, " ranks ", world, " strategy ", int(strategy), " prefetch ", prefetch);
                    const StoreOptions store{.strategy = strategy, .prefetch = prefetch, .poison = seed > 22};
                    Seen seen = run_model(m, {world, store, compute, true});
                    CHECK(seen.leased == wanted.leased);
                    CHECK(seen.masters == wanted.masters);
                }
    }
}

TEST_CASE("stores: any arena from the largest unit on gives the same bits") {
    const SmallModel m = random_model(5);
    const Seen wanted = run_model(m, {2, {}, DType::f32});
    std::vector<std::size_t> bytes;
    for (const UnitRanges& r : ranges_of(m.units, 2)) bytes.push_back(2 * r.frozen + 8 * std::size_t(r.trainable));
    const std::size_t largest = *std::max_element(bytes.begin(), bytes.end());
    for (Strategy strategy : {Strategy::shard_grad_op, Strategy::full_shard})
        for (std::size_t more = 0; more <= 2 * largest; more += largest / 5) {
            Seen seen =
                run_model(m, {2, {.strategy = strategy, .prefetch = 3, .arena_cap = largest + more, .poison = true}});
            CHECK(seen.leased == wanted.leased);
            CHECK(seen.masters == wanted.masters);
        }
    SmallRun small{2, {.arena_cap = largest - 1}};
    CHECK_THROWS_AS(run_model(m, small), DoesNotFit);
}

TEST_CASE("stores: reductions add over ranks first, in rank order, then to what is there") {
    // In f32, by rank order 3; backwards, or added to what is there one by one, 3 is lost beside 1e8 (spaced by 8).
    const float parts[3] = {1e8f, -1e8f, 3.0f};
    for (Strategy strategy : {Strategy::ddp, Strategy::full_shard}) {
        LaunchOptions options;
        options.world_size = 3;
        launch(options, [&](Rank& rank) {
            std::vector<UnitLayout> units{{"a", 1024, 1000}, {"b", 0, 300}};
            Context& ctx = rank.context();
            LayerStore& store = rank.make_store(units, {.strategy = strategy, .schedules = {{0, 1}}});
            const float sum = (parts[0] + parts[1]) + parts[2];
            float expected[2] = {0, 0};
            for (int round = 0; round < 3; round++)
                for (int u : {0, 1, 1}) {
                    GradLease g = store.gradients(u, ctx.compute());
                    std::span<float> values(reinterpret_cast<float*>(g.bytes().data()), g.bytes().size() / 4);
                    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 0; }));
                    for (float& v : values) v = parts[ctx.rank()] + float(round == 2 && ctx.rank() == 1 ? 5 : 0);
                    if (round == 1) continue;  // abandoned: nothing is added, no peer waits
                    std::move(g).reduce();
                    expected[u] += round == 2 ? (parts[0] + (parts[1] + 5.0f)) + parts[2] : sum;
                }
            for (int u : {0, 1}) {
                TrainableRange r = store.trainable(u, ctx.compute());
                for (std::int64_t i = 0; i < r.elements; i++)
                    CHECK(reinterpret_cast<float*>(r.gradient)[i] == expected[u]);
                CHECK(r.begin + r.elements <= units[std::size_t(u)].trainable_elements);
            }
        });
    }
}

TEST_CASE("stores: a schedule may change under way, and prefetching crosses an optimizer step with frozen bytes only") {
    const SmallModel m = random_model(7);
    for (int prefetch : {0, 1, 2})
        for (Strategy strategy : {Strategy::shard_grad_op, Strategy::full_shard}) {
            LaunchOptions options;
            options.world_size = 2;
            launch(options, [&](Rank& rank) {
                Context& ctx = rank.context();
                LayerStore& store = rank.make_store(
                    m.units, {.strategy = strategy, .prefetch = prefetch, .schedules = m.schedules, .poison = true});
                load(store, m, DType::f32);
                User user(rank, false);
                std::mt19937 random(11);  // the same on every rank
                for (int turn = 0; turn < 30; turn++) {
                    const std::vector<int>& order = m.schedules[random() % m.schedules.size()];
                    store.schedule(order);
                    if (turn % 3 == 0) optimize(rank, store, user);
                    std::size_t uses = random() % (order.size() + 1);
                    for (std::size_t i = 0; i < uses; i++) {
                        Lease lease = store.acquire(order[i], ctx.compute());
                        const std::vector<std::byte>& f = m.frozen[std::size_t(order[i])];
                        CHECK(std::equal(f.begin(), f.end(), lease.frozen().begin(), lease.frozen().end()));
                        std::span<const std::byte> t = std::as_bytes(std::span(m.masters[std::size_t(order[i])]));
                        CHECK(std::equal(t.begin(), t.end(), lease.trainable().begin(), lease.trainable().end()));
                    }
                }
            });
        }
}

TEST_CASE("stores: an update in the middle of a schedule reaches units that were gathered before") {
    for (Strategy strategy : {Strategy::ddp, Strategy::shard_grad_op, Strategy::full_shard}) {
        LaunchOptions options;
        options.world_size = 2;
        launch(options, [&](Rank& rank) {
            Stream& user = rank.context().compute();
            const std::vector<int> order{0, 1, 0};
            LayerStore& store = rank.make_store({{"a", 3000, 700}, {"b", 3000, 700}},
                                                {.strategy = strategy, .prefetch = 2, .schedules = {order}});
            store.schedule(order);
            for (std::size_t i = 0; i < order.size(); i++) {
                {
                    Lease lease = store.acquire(order[i], user);
                    const float* values = reinterpret_cast<const float*>(lease.trainable().data());
                    CHECK(std::all_of(values, values + 700, [&](float v) { return v == float(i); }));
                }
                for (int u : {0, 1}) {
                    TrainableRange r = store.trainable(u, user);
                    std::fill_n(reinterpret_cast<float*>(r.master), r.elements, float(i + 1));
                }
                store.updated(user);
            }
        });
    }
}

TEST_CASE("stores: what was let go is poisoned once its users have passed") {
    LaunchOptions options;
    options.world_size = 2;
    launch(options, [&](Rank& rank) {
        Context& ctx = rank.context();
        LayerStore& store =
            rank.make_store({{"a", 4096, 600}, {"b", 4096, 0}}, {.schedules = {{0, 1}}, .poison = true});
        store.schedule(std::vector<int>{0, 1});
        std::span<const std::byte> frozen, trainable;
        {
            Lease lease = store.acquire(0, ctx.compute());
            frozen = lease.frozen();
            trainable = lease.trainable();
            CHECK(trainable[0] == std::byte{0});
        }
        ctx.gather().synchronize();
        auto poisoned = [](std::byte b) { return b == std::byte{0xff}; };
        CHECK(std::all_of(frozen.begin(), frozen.end(), poisoned));
        CHECK(std::all_of(trainable.begin(), trainable.end(), poisoned));
        GradLease g = store.gradients(0, ctx.compute());
        std::span<std::byte> gradients = g.bytes();
        std::move(g).reduce();
        ctx.reduce().synchronize();
        CHECK(std::all_of(gradients.begin(), gradients.end(), poisoned));
        rank.collective().barrier();
    });
}

TEST_CASE("stores: misuse is an error that says what to do") {
    auto run = [](const std::function<void(Rank&, LayerStore&)>& body, Strategy strategy = Strategy::full_shard) {
        LaunchOptions options;
        options.world_size = 2;
        launch(options, [&](Rank& rank) {
            body(rank,
                 rank.make_store({{"a", 4096, 600}, {"b", 100, 0}}, {.strategy = strategy, .schedules = {{0, 1}}}));
        });
    };
    const std::vector<int> order{0, 1}, strange{0, 2};
    for (Strategy s : {Strategy::ddp, Strategy::full_shard}) {
        CHECK_THROWS_WITH_AS(run([&](Rank& r, LayerStore& store) { store.acquire(0, r.context().compute()); }, s),
                             doctest::Contains("unit 0 is acquired after the end of the schedule"), Error);
        CHECK_THROWS_WITH_AS(run(
                                 [&](Rank& r, LayerStore& store) {
                                     store.schedule(order);
                                     store.acquire(1, r.context().compute());
                                 },
                                 s),
                             doctest::Contains("unit 1 is acquired where the schedule names unit 0"), Error);
        CHECK_THROWS_WITH_AS(run([&](Rank&, LayerStore& store) { store.schedule(strange); }, s),
                             doctest::Contains("no unit 2 of 2"), Error);
        CHECK_THROWS_WITH_AS(run(
                                 [&](Rank& r, LayerStore& store) {
                                     store.schedule(order);
                                     Lease lease = store.acquire(0, r.context().compute());
                                     store.updated(r.context().compute());
                                 },
                                 s),
                             doctest::Contains("under a lease of unit 0"), Error);
        std::vector<std::byte> bytes(101);
        CHECK_THROWS_WITH_AS(run([&](Rank&, LayerStore& store) { store.load_frozen(1, 0, bytes); }, s),
                             doctest::Contains("do not fit the 100 frozen bytes of b"), Error);
        CHECK_THROWS_WITH_AS(
            run([&](Rank&, LayerStore& store) { store.load_trainable(0, 599, std::span(bytes).first(8)); }, s),
            doctest::Contains("do not fit the 600 trainable elements of a"), Error);
        CHECK_THROWS_WITH_AS(run(
                                 [&](Rank&, LayerStore& store) {
                                     store.schedule(order);
                                     store.load_frozen(1, 0, std::span(bytes).first(1));
                                 },
                                 s),
                             doctest::Contains("after the first schedule"), Error);
        CHECK_THROWS_WITH_AS(run(
                                 [&](Rank& r, LayerStore& store) {
                                     GradLease a = store.gradients(0, r.context().compute());
                                     GradLease b = store.gradients(0, r.context().compute());
                                 },
                                 s),
                             doctest::Contains("leased at once"), Error);
    }
}

TEST_CASE("stores: ranks that disagree refuse to start") {
    auto refuses = [](const std::function<void(Rank&, std::vector<UnitLayout>&, StoreOptions&)>& change,
                      const char* what) {
        LaunchOptions options;
        options.world_size = 3;
        auto run = [&] {
            launch(options, [&](Rank& rank) {
                std::vector<UnitLayout> units{{"a", 4096, 600}, {"b", 100, 0}};
                StoreOptions o{.schedules = {{0, 1}}};
                if (rank.context().rank() == 2) change(rank, units, o);
                LayerStore& store = rank.make_store(units, o);
                store.schedule(o.schedules[0]);
            });
        };
        CHECK_THROWS_WITH_AS(run(), doctest::Contains(what), Error);
    };
    refuses([](Rank&, auto& units, auto&) { units[1].frozen_bytes = 99; },
            "the same unit layouts on all ranks, got other ones on rank 2");
    refuses([](Rank&, auto& units, auto&) { units[1].name = "c"; }, "unit layouts");
    refuses([](Rank&, auto&, auto& o) { o.prefetch = 2; }, "store options");
    refuses([](Rank&, auto&, auto& o) { o.schedules = {{1, 0}}; }, "schedules");
    LaunchOptions options;
    options.world_size = 2;
    auto other_order = [&] {
        launch(options, [&](Rank& rank) {
            LayerStore& store = rank.make_store({{"a", 1024, 0}, {"b", 1024, 0}}, {.schedules = {{0, 1}}});
            store.schedule(rank.context().rank() ? std::vector<int>{1, 0} : std::vector<int>{0, 1});
        });
    };
    CHECK_THROWS_WITH_AS(other_order(), doctest::Contains("the same schedule on all ranks"), Error);
}

namespace {

// A stream of a device that has failed.
class FailedStream final : public Stream {
  public:
    void enqueue(const char*, std::function<void()>) override { fail(); }
    void fill(std::byte*, int, std::size_t) override { fail(); }
    void copy(std::byte*, const std::byte*, std::size_t) override { fail(); }
    Event record() override { fail(); }
    void wait(const Event&) override {}
    void synchronize() override { fail(); }

  private:
    [[noreturn]] static void fail() { throw Error("the device has failed"); }
};

}  // namespace

TEST_CASE("stores: a lease that ends while an error is handled throws nothing; the next use does") {
    for (Strategy strategy : {Strategy::ddp, Strategy::full_shard}) {
        LaunchOptions options;
        options.world_size = 1;
        launch(options, [&](Rank& rank) {
            FailedStream user;
            LayerStore& store =
                rank.make_store({{"a", 1024, 256}, {"b", 1024, 256}}, {.strategy = strategy, .schedules = {{0, 1}}});
            store.schedule(std::vector<int>{0, 1});
            CHECK_THROWS_WITH(
                [&] {
                    Lease lease = store.acquire(0, user);
                    throw Error("first");
                }(),
                "first");
            CHECK_THROWS_WITH(store.acquire(1, rank.context().compute()), "the device has failed");
        });
    }
}
