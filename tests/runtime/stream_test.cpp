#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "runtime/abort.h"
#include "runtime/cpu/cpu_stream.h"

using namespace tandem;

TEST_CASE("work of a stream runs in order, and waits cross streams") {
    AbortSignal abort;
    auto a = make_worker_stream({&abort, nullptr, 0, "a"}), b = make_worker_stream({&abort, nullptr, 0, "b"});
    std::vector<int> seen;
    for (int i = 0; i < 100; i++) {
        a->enqueue("push", [&seen, i] { seen.push_back(2 * i); });
        b->wait(a->record());
        b->enqueue("push", [&seen, i] { seen.push_back(2 * i + 1); });
        a->wait(b->record());
    }
    a->synchronize();
    REQUIRE(seen.size() == 200);
    for (int i = 0; i < 200; i++) CHECK(seen[std::size_t(i)] == i);
}

TEST_CASE("a failure on a worker surfaces at every later wait, and later work is dropped") {
    AbortSignal abort;
    auto gather = make_worker_stream({&abort, nullptr, 0, "gather"});
    auto compute = make_inline_stream({&abort, nullptr, 0, "compute"});
    std::atomic<bool> ran = false;
    gather->enqueue("copy", [] { throw Error("no such shard"); });
    gather->enqueue("copy", [&] { ran = true; });
    Event arrived = gather->record();
    CHECK_THROWS_WITH(compute->wait(arrived), "no such shard");
    CHECK_THROWS_WITH(gather->synchronize(), "no such shard");
    CHECK(!ran);
}

TEST_CASE("an abort wakes a wait for what never comes") {
    AbortSignal abort;
    auto a = make_worker_stream({&abort, nullptr, 0, "a"}), b = make_worker_stream({&abort, nullptr, 0, "b"});
    std::atomic<bool> go = false;
    a->enqueue("stall", [&] { while (!go) std::this_thread::yield(); });
    b->wait(a->record());
    std::thread other([&] { abort.raise(std::make_exception_ptr(Error("rank 1 failed"))); });
    CHECK_THROWS_AS(b->synchronize(), Aborted);
    other.join();
    go = true;
}
