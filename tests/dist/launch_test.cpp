#include "dist/launch.h"

#include <fmt/core.h>

#include <chrono>

#include "runtime/thread_pool.h"
#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

using Clock = std::chrono::steady_clock;

enum class Where { init, publish, acquire, gather_thread, all_gather_thread, reduce, reduce_thread };

// Fails the third call of its kind, at the call or in the copy thread that carries it out.
class Faulty final : public Transport {
  public:
    Faulty(std::unique_ptr<Transport> inner, Where where) : inner_(std::move(inner)), where_(where) {}
    int rank() const override { return inner_->rank(); }
    int world_size() const override { return inner_->world_size(); }
    void publish(std::span<const std::byte> memory) override {
        if (where_ == Where::publish) throw DoesNotFit("no room");
        inner_->publish(memory);
    }
    void loaded(Stream& stream) override { inner_->loaded(stream); }
    void gather_published(Stream& stream, std::size_t offset, std::size_t bytes, std::byte* out) override {
        if (gathers_++ == 2 && where_ == Where::acquire) throw Error("no wire");
        if (gathers_ == 3 && where_ == Where::gather_thread) stream.enqueue("fault", [] { throw Error("wire cut"); });
        inner_->gather_published(stream, offset, bytes, out);
    }
    void all_gather(Stream& stream, int tag, std::span<const std::byte> mine, std::byte* out) override {
        // Found by the transport itself, in a copy thread.
        inner_->all_gather(stream, all_gathers_++ == 2 && where_ == Where::all_gather_thread ? 77 : tag, mine, out);
    }
    void reduce_scatter(Stream& stream, int tag, const ReduceScatter& work) override {
        if (reduces_++ == 2 && where_ == Where::reduce) throw Error("no sum");
        if (reduces_ == 3 && where_ == Where::reduce_thread) stream.enqueue("fault", [] { throw Error("sum lost"); });
        inner_->reduce_scatter(stream, tag, work);
    }

  private:
    std::unique_ptr<Transport> inner_;
    const Where where_;
    int gathers_ = 0, all_gathers_ = 0, reduces_ = 0;
};

SmallModel small_model() {
    SmallModel m = random_model(3);
    for (std::size_t u = 0; u < m.units.size(); u++) {
        m.units[u].frozen_bytes = 5000;
        m.units[u].trainable_elements = 700;
        m.frozen[u].resize(5000);
        m.masters[u].resize(700);
    }
    return m;
}

void run_faulty(const SmallModel& m, Where where, int culprit, const StoreOptions& store_options) {
    LaunchOptions options;
    options.world_size = 3;
    options.around = [&](std::unique_ptr<Transport> inner, const AbortSignal&) -> std::unique_ptr<Transport> {
        if (inner->rank() != culprit) return inner;
        if (where == Where::init) throw InputError("bad device");
        return std::make_unique<Faulty>(std::move(inner), where);
    };
    launch(options, [&](Rank& rank) {
        StoreOptions o = store_options;
        o.schedules = m.schedules;
        LayerStore& store = rank.make_store(m.units, o);
        load(store, m, DType::f32);
        run_program(rank, store, m);
    });
}

template <class E> void check_ends(const std::function<void()>& run, const char* message) {
    auto begin = Clock::now();
    CHECK_THROWS_WITH_AS(run(), doctest::Contains(message), E);
    CHECK(Clock::now() - begin < std::chrono::seconds(5));  // some 50 ms where nothing else runs; no hang
}

}  // namespace

TEST_CASE("launch: a rank that fails anywhere ends all ranks with its message") {
    const SmallModel m = small_model();
    for (int repetition = 0; repetition < 50; repetition++) {
        const int culprit = repetition % 3;
        const StoreOptions store{.strategy = repetition % 4 ? Strategy::full_shard : Strategy::shard_grad_op,
                                 .prefetch = repetition % 3,
                                 .poison = repetition % 2 == 0};
        auto fails = [&](Where where) { return [&, where] { run_faulty(m, where, culprit, store); }; };
        const std::string rank = fmt::format("rank {}: ", culprit);
        check_ends<InputError>(fails(Where::init), (rank + "bad device").c_str());
        check_ends<DoesNotFit>(fails(Where::publish), (rank + "no room").c_str());
        check_ends<Error>(fails(Where::acquire), (rank + "no wire").c_str());
        check_ends<Error>(fails(Where::gather_thread), (rank + "wire cut").c_str());
        check_ends<Error>(fails(Where::all_gather_thread), "expected every rank to do the same");
        check_ends<Error>(fails(Where::reduce), (rank + "no sum").c_str());
        check_ends<Error>(fails(Where::reduce_thread), (rank + "sum lost").c_str());
    }
}

TEST_CASE("launch: a body that throws, and peers in any wait") {
    LaunchOptions options;
    options.world_size = 3;
    options.threads = 5;
    for (int repetition = 0; repetition < 50; repetition++) {
        const int culprit = repetition % 3;
        for (int wait = 0; wait < 5; wait++) {
            auto run = [&] {
                launch(options, [&](Rank& rank) {
                    Context& ctx = rank.context();
                    LayerStore& store = rank.make_store({{"a", 5000, 700}}, {.schedules = {{0, 0}}});
                    store.schedule(std::vector<int>{0, 0});
                    if (ctx.rank() == culprit) throw std::runtime_error("broke");
                    double value = 1;
                    if (wait == 0) rank.collective().barrier();
                    if (wait == 1) rank.collective().sum({&value, 1});
                    if (wait == 2) store.acquire(0, ctx.compute());
                    if (wait == 3) store.schedule(std::vector<int>{0});
                    if (wait == 4) {
                        store.gradients(0, ctx.compute()).reduce();
                        store.trainable(0, ctx.compute());
                    }
                });
            };
            check_ends<Error>(run, fmt::format("rank {}: broke", culprit).c_str());
        }
    }
}

TEST_CASE("launch: a rank that ends early, or does something else, is an error and not a hang") {
    LaunchOptions options;
    options.world_size = 2;
    auto ends_early = [&] {
        launch(options, [&](Rank& rank) {
            if (rank.context().rank() == 1) rank.collective().barrier();
        });
    };
    check_ends<Error>(ends_early, "rank 1 waits in barrier 0 for rank 0, which has ended");
    auto misses_a_gather = [&] {
        launch(options, [&](Rank& rank) {
            LayerStore& store = rank.make_store({{"a", 5000, 700}}, {.schedules = {{0}}});
            store.schedule(std::vector<int>{0});
            if (rank.context().rank() == 0) store.acquire(0, rank.context().compute());
        });
    };
    check_ends<Error>(misses_a_gather, "rank 0 waits in all-gather of unit 0 for rank 1, which has ended");
    auto another = [&] {
        launch(options, [&](Rank& rank) {
            double value = 0;
            if (rank.context().rank())
                rank.collective().sum({&value, 1});
            else
                rank.collective().barrier();
        });
    };
    check_ends<Error>(another, "expected every rank to do the same");
}

TEST_CASE("launch: a failure of a copy thread that nobody waits for still fails the run") {
    LaunchOptions options;
    options.world_size = 2;
    auto run = [&] {
        launch(options, [](Rank& rank) {
            if (rank.context().rank()) rank.context().reduce().enqueue("fault", [] { throw InputError("late"); });
        });
    };
    check_ends<InputError>(run, "rank 1: late");
}

TEST_CASE("launch: a copy thread that fails while its rank waits for a peer that waits for it") {
    LaunchOptions options;
    options.world_size = 2;
    options.around = [](std::unique_ptr<Transport> inner, const AbortSignal&) { return inner; };
    auto run = [&] {
        launch(options, [](Rank& rank) {
            LayerStore& store = rank.make_store({{"a", 5000, 700}, {"b", 5000, 700}}, {.schedules = {{0, 1}}});
            store.schedule(std::vector<int>{0, 1});
            Context& ctx = rank.context();
            GradLease g = store.gradients(ctx.rank(), ctx.compute());  // of different units
            std::move(g).reduce();
            if (ctx.rank() == 0)
                rank.collective().barrier();  // rank 1 does not come: it waits for its reduction
            else
                store.trainable(1, ctx.compute());
        });
    };
    check_ends<Error>(run, "reduce-scatter of unit");
}

TEST_CASE("launch: threads are divided, every rank has one at least") {
    LaunchOptions options;
    options.world_size = 3;
    for (auto [threads, expected] :
         {std::pair{8, std::array{3, 3, 2}}, {3, {1, 1, 1}}, {1, {1, 1, 1}}, {0, {1, 1, 1}}}) {
        options.threads = threads;
        launch(options, [&, wanted = expected](Rank& rank) {
            CHECK(rank.context().cpu().pool->size() == wanted[std::size_t(rank.context().rank())]);
        });
    }
    options.world_size = 0;
    CHECK_THROWS_AS(launch(options, [](Rank&) {}), InputError);
}

TEST_CASE("collective: sums in rank order with the same bits everywhere, gathers in rank order") {
    LaunchOptions options;
    options.world_size = 3;
    launch(options, [](Rank& rank) {
        const double parts[3] = {1e16, 1.0, -1e16};  // in another order the 1 survives
        for (int repetition = 0; repetition < 100; repetition++) {
            std::vector<double> values{parts[rank.collective().rank()], 0.5};
            rank.collective().sum(values);
            CHECK(values[0] == (parts[0] + parts[1]) + parts[2]);
            CHECK(values[1] == 1.5);
            std::vector<std::byte> mine(3, std::byte(rank.collective().rank())), all(9);
            rank.collective().all_gather(mine, all);
            for (std::size_t i = 0; i < 9; i++) CHECK(all[i] == std::byte(i / 3));
            rank.collective().barrier();
        }
        std::vector<std::byte> mine(3), small(8);
        CHECK_THROWS_AS(rank.collective().all_gather(mine, small), Error);
    });
}
