#include "runtime/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

using namespace tandem;

TEST_CASE("every index runs once, on threads that know their number") {
    for (int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (int round = 0; round < 200; round++) {
            std::vector<std::atomic<int>> count(37);
            std::atomic<bool> in_range = true;
            pool.parallel_for_thread(37, [&](std::int64_t i, int t) {
                count[std::size_t(i)]++;
                if (t < 0 || t >= threads) in_range = false;
            });
            bool once = true;
            for (auto& c : count) once = once && c == 1;
            CHECK(once);
            CHECK(in_range);
        }
    }
}

TEST_CASE("the first exception is rethrown, and the pool works on") {
    ThreadPool pool(3);
    auto fail = [](std::int64_t i) { if (i == 5) throw std::runtime_error("five"); };
    CHECK_THROWS_WITH(pool.parallel_for(100, fail), "five");
    std::atomic<int> ran = 0;
    pool.parallel_for(100, [&](std::int64_t) { ran++; });
    CHECK(ran == 100);
}
