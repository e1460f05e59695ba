#include "dist/ranks.h"

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/dist/support.h"
#include "tests/support/process.h"

using namespace tandem;
using namespace tandem::test;

namespace {

LaunchOptions ranks_of(int world_size) {
    LaunchOptions options;
    options.world_size = world_size;
    return options;
}

double sum_over(Rank& rank, double mine) {
    rank.collective().sum({&mine, 1});
    return mine;
}

// Of this process: threads (where there is a number of them), open files, and bytes that it uses.
struct Used {
    std::size_t threads, files, bytes;
};
Used used() {
    auto entries = [](const char* folder) {
        return std::size_t(std::distance(std::filesystem::directory_iterator(folder), {}));
    };
    std::size_t all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return {entries("/proc/self/task"), entries("/proc/self/fd"), resident * 4096};
}

// Says in which order it and its like went.
class Noted {
  public:
    Noted(std::vector<std::string>& gone, std::mutex& mutex, std::string name)
        : gone_(gone), mutex_(mutex), name_(std::move(name)) {}
    ~Noted() {
        std::lock_guard lock(mutex_);
        gone_.push_back(name_);
    }
    std::thread::id made_in = std::this_thread::get_id();

  private:
    std::vector<std::string>& gone_;
    std::mutex& mutex_;
    std::string name_;
};

}  // namespace

TEST_CASE("ranks: many runs on the same ranks keep threads, stores and objects") {
    const SmallModel m = random_model(5);
    Ranks ranks(ranks_of(3));
    CHECK(ranks.world_size() == 3);
    PerRank<std::vector<double>> sums(ranks);
    PerRank<LayerStore*> stores(ranks);
    std::vector<std::thread::id> threads(3);
    ranks.run([&](Rank& rank) {
        sums.make(rank);
        LayerStore& store = rank.make_store(m.units, {.schedules = m.schedules});
        stores.make(rank, &store);
        load(store, m, DType::f32);
        threads[std::size_t(rank.context().rank())] = std::this_thread::get_id();
    });
    for (int k = 0; k < 200; k++)
        ranks.run([&](Rank& rank) { sums.of(rank).push_back(sum_over(rank, rank.context().rank() + k)); });
    std::vector<Seen> seen(3);
    ranks.run([&](Rank& rank) {
        CHECK(threads[std::size_t(rank.context().rank())] == std::this_thread::get_id());
        seen[std::size_t(rank.context().rank())] = run_program(rank, *stores.of(rank), m);
    });
    CHECK(seen[0].leased == run_model(m, {.world_size = 3}).leased);
    for (int r = 0; r < 3; r++) {
        REQUIRE(sums.of(r).size() == 200);
        for (int k = 0; k < 200; k++) CHECK(sums.of(r)[std::size_t(k)] == 3 + 3 * k);
        CHECK(seen[std::size_t(r)].leased == seen[0].leased);
    }
}

TEST_CASE("ranks: a run ends when the streams of all ranks are done") {
    Ranks ranks(ranks_of(2));
    std::atomic<int> done = 0;
    ranks.run([&](Rank& rank) {
        for (Stream* s : {&rank.context().gather(), &rank.context().reduce()})
            s->enqueue("late", [&] {
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                done++;
            });
    });
    CHECK(done == 4);
}

TEST_CASE("ranks: from any thread, one run at a time") {
    Ranks ranks(ranks_of(2));
    for (int k = 0; k < 3; k++)
        std::thread([&] { ranks.run([&](Rank& rank) { CHECK(sum_over(rank, 1) == 2); }); }).join();
    auto nested = [&] { ranks.run([&](Rank&) { ranks.run([](Rank&) {}); }); };
    CHECK_THROWS_WITH_AS(nested(), doctest::Contains("expected one run at a time, got a run within a run"), Error);
}

TEST_CASE("ranks: the failure of a later run names its rank, and every run after it throws it again") {
    for (int culprit = 0; culprit < 3; culprit++) {
        Ranks ranks(ranks_of(3));
        std::atomic<int> calls = 0;
        auto run = [&](int k) {
            ranks.run([&, k](Rank& rank) {
                calls++;
                if (k == 7 && rank.context().rank() == culprit) throw DoesNotFit("no room");
                rank.collective().barrier();
            });
        };
        for (int k = 0; k < 7; k++) run(k);
        const std::string message = fmt::format("rank {}: no room", culprit);
        CHECK_THROWS_WITH_AS(run(7), doctest::Contains(message.c_str()), DoesNotFit);
        CHECK(calls == 8 * 3);
        for (int k = 8; k < 11; k++) CHECK_THROWS_WITH_AS(run(k), doctest::Contains(message.c_str()), DoesNotFit);
        CHECK(calls == 8 * 3);
    }
}

TEST_CASE("ranks: a failure on a copy thread in a later run") {
    Ranks ranks(ranks_of(2));
    ranks.run([](Rank&) {});
    auto run = [&] {
        ranks.run([](Rank& rank) {
            if (rank.context().rank()) rank.context().reduce().enqueue("fault", [] { throw InputError("late"); });
        });
    };
    for (int k = 0; k < 2; k++) CHECK_THROWS_WITH_AS(run(), doctest::Contains("rank 1: late"), InputError);
}

TEST_CASE("ranks: a failure in making them is thrown with its rank") {
    LaunchOptions options = ranks_of(3);
    options.around = [](std::unique_ptr<Transport> inner, const AbortSignal&) -> std::unique_ptr<Transport> {
        if (inner->rank() == 1) throw InputError("bad device");
        return inner;
    };
    CHECK_THROWS_WITH_AS(Ranks{options}, doctest::Contains("rank 1: bad device"), InputError);
}

TEST_CASE("ranks: unequal collectives are an error in their run, and a rank that goes on begins the next afresh") {
    Ranks ranks(ranks_of(2));
    std::string message;
    ranks.run([&](Rank& rank) {
        if (rank.context().rank() == 0) try {
                rank.collective().barrier();
            } catch (const Error& e) {
                message = e.what();
            }
    });
    CHECK(message.find("rank 0 waits in barrier 0 for rank 1, which has ended") != std::string::npos);
    ranks.run([](Rank& rank) { CHECK(sum_over(rank, 1) == 2); });
    auto unequal = [&] {
        ranks.run([](Rank& rank) {
            for (int i = 0; i < 3 - rank.context().rank(); i++) rank.collective().barrier();
        });
    };
    for (int k = 0; k < 2; k++)
        CHECK_THROWS_WITH_AS(unequal(),
                             doctest::Contains("rank 0: [host] rank 0 waits in barrier 0 for rank 1, which has ended"),
                             Error);
}

TEST_CASE("ranks: objects of a rank go newest first, when the streams have ended, with the memory still there") {
    std::vector<std::string> gone;
    std::mutex mutex;
    struct Reader {  // of the store's memory, which is freed later
        Reader(std::span<const std::byte> bytes, std::size_t& sum) : bytes_(bytes), sum_(sum) {}
        ~Reader() {
            for (std::byte b : bytes_) sum_ += std::size_t(b);
        }
        std::span<const std::byte> bytes_;
        std::size_t& sum_;
    };
    std::size_t sum = 0;
    {
        Ranks ranks(ranks_of(2));
        PerRank<Noted> first(ranks), second(ranks), missing(ranks);
        PerRank<Reader> reader(ranks);
        const PerRank<Noted> copy = first;
        ranks.run([&](Rank& rank) {
            const int r = rank.context().rank();
            LayerStore& store = rank.make_store({{"a", 1024, 0}}, {.strategy = Strategy::ddp, .schedules = {{0}}});
            store.load_frozen(0, 0, std::vector<std::byte>(1024, std::byte(1)));
            store.schedule(std::vector<int>{0});
            if (r == 0) reader.make(rank, store.acquire(0, rank.context().compute()).frozen(), sum);
            CHECK(first.make(rank, gone, mutex, fmt::format("first {}", r)).made_in == std::this_thread::get_id());
            second.make(rank, gone, mutex, fmt::format("second {}", r));
            CHECK_THROWS_WITH_AS(missing.of(rank), doctest::Contains("expected an object on rank"), Error);
        });
        CHECK(&first.of(1) != &first.of(0));
        CHECK(gone.empty());
    }
    CHECK(gone == std::vector<std::string>{"second 0", "first 0", "second 1", "first 1"});
    CHECK(sum == 1024);
}

TEST_CASE("ranks: opened and closed many times, nothing grows") {
    auto open_and_close = [](int times) {
        for (int k = 0; k < times; k++) {
            Ranks ranks(ranks_of(2));
            for (int run = 0; run < 2; run++)
                ranks.run([&](Rank& rank) {
                    if (run == 0) rank.make_store({{"a", 5000, 700}}, {.schedules = {{0, 0}}});
                    sum_over(rank, 1);
                });
            if (k % 2) CHECK_THROWS_AS(ranks.run([](Rank&) { throw Error("broke"); }), Error);
        }
    };
    open_and_close(5);
    const Used before = used();
    const char* many = std::getenv("TANDEM_TEST_RANKS");  // 1000 by hand
    open_and_close(many ? std::atoi(many) : 20);
    const Used after = used();
    CHECK(after.threads == before.threads);
    CHECK(after.files == before.files);
    MESSAGE("threads ", after.threads, ", files ", after.files, ", resident bytes before ", before.bytes, " after ",
            after.bytes);
    if (!sanitized) CHECK(after.bytes <= before.bytes + (8u << 20));  // less than half of a rank; ASan keeps some
}
