#include "dist/arena.h"

#include <random>

#include "dist/gradient_buffers.h"
#include "dist/residency.h"
#include "runtime/abort.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/plan/plan_stream.h"
#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// What a residency's orders leave in the arena, checked for overlap.
struct MirroredArena {
    std::vector<std::size_t> bytes;
    std::map<int, std::size_t> at;
    int gathers = 0;
    std::size_t high = 0;

    void follow(Residency& r) {
        for (const Residency::Order& o : r.take_orders()) {
            if (o.kind == Residency::Order::drop) {
                at.erase(o.unit);
                continue;
            }
            if (!o.frozen) continue;
            gathers++;
            std::size_t end = o.offset + bytes[std::size_t(o.unit)];
            high = std::max(high, end);
            for (auto [unit, offset] : at) CHECK((end <= offset || offset + bytes[std::size_t(unit)] <= o.offset));
            at[o.unit] = o.offset;
        }
    }
};

int gathers(const std::vector<std::size_t>& bytes, const std::vector<int>& schedule,
            const Residency::Options& options) {
    Residency r(bytes, options);
    MirroredArena mirror{bytes, {}, 0, 0};
    r.schedule(schedule);
    mirror.follow(r);
    for (int unit : schedule) {
        r.acquire(unit);
        mirror.follow(r);
        CHECK(mirror.at.count(unit));
        r.release(unit, {});
        mirror.follow(r);
    }
    CHECK(mirror.at.empty());
    CHECK(mirror.high == r.high_water());
    return mirror.gathers;
}

constexpr std::size_t unlimited = std::size_t(-1);

}  // namespace

TEST_CASE("arena: lowest place first, and the events of what was there") {
    StreamOwner owner{nullptr, nullptr, 0, "gather"};
    AbortSignal abort;
    owner.abort = &abort;
    std::unique_ptr<Stream> stream = make_worker_stream(owner);
    Event a = stream->record(), b = stream->record();
    Arena arena(100);
    CHECK(arena.place(40)->offset == 0);
    CHECK(arena.place(40)->offset == 40);
    CHECK_FALSE(arena.place(21));
    arena.free(0, 40, {a});
    arena.free(40, 40, {b});
    auto first = arena.place(30);
    CHECK(first->offset == 0);
    REQUIRE(first->after.size() == 1);
    CHECK(first->after[0].state() == a.state());
    auto both = arena.place(30);  // [30, 60): the rest of the first and a part of the second
    CHECK(both->offset == 30);
    REQUIRE(both->after.size() == 2);
    auto rest = arena.place(40);  // [60, 100): the rest of the second and what was never used
    CHECK(rest->offset == 60);
    REQUIRE(rest->after.size() == 1);
    CHECK(rest->after[0].state() == b.state());
    CHECK(arena.high_water() == 100);
    CHECK_THROWS_AS(arena.free(30, 29, {}), Error);
}

TEST_CASE("residency: the dry run's arena is just enough") {
    for (unsigned seed = 1; seed <= 200; seed++) {
        std::mt19937 random(seed);
        std::vector<std::size_t> bytes(2 + random() % 6);
        for (std::size_t& b : bytes) b = random() % 5 ? 512 * (1 + random() % 9) : 512 * 40;
        std::vector<int> schedule(1 + random() % 20);
        for (int& u : schedule) u = int(random() % bytes.size());
        const std::size_t largest = *std::max_element(bytes.begin(), bytes.end());
        for (bool keep : {false, true})
            for (int prefetch : {0, 1, 2, 4}) {
                const std::size_t exact =
                    arena_bytes(bytes, {schedule}, {.prefetch = prefetch, .keep_until_backward = keep});
                const int wanted = gathers(bytes, schedule, {unlimited, prefetch, keep});
                CHECK(gathers(bytes, schedule, {exact, prefetch, keep}) == wanted);
                for (std::size_t capacity : {largest, largest + exact / 3})
                    gathers(bytes, schedule, {capacity, prefetch, keep});
            }
    }
}

TEST_CASE("residency: how often units are gathered") {
    const std::vector<std::size_t> bytes{512, 512, 512, 512};
    const std::vector<int> step{0, 1, 2, 3, 2, 1, 0};
    CHECK(gathers(bytes, step, {unlimited, 0, false}) == 7);
    CHECK(gathers(bytes, step, {unlimited, 1, false}) == 6);  // unit 2 waits out the turn where it would go anyway
    CHECK(gathers(bytes, step, {unlimited, 0, true}) == 4);
    CHECK(gathers(bytes, std::vector<int>{0, 0, 1, 1, 1, 0}, {unlimited, 0, false}) == 3);  // named twice running
    CHECK(arena_bytes(bytes, {step}, {.prefetch = 0}) == 512);
    CHECK(arena_bytes(bytes, {step}, {.prefetch = 1}) == 1024);
    CHECK(arena_bytes(bytes, {step}, {.prefetch = 2}) == 1536);
    CHECK(arena_bytes(bytes, {step}, {.prefetch = 1, .keep_until_backward = true}) == 2048);
}

TEST_CASE("gradient buffers: from both ends in turn") {
    CHECK(gradient_arena_bytes({30, 0, 50, 20}, {{0, 1, 2, 3}}) == 80);
    CHECK(gradient_arena_bytes({30, 0, 50, 20}, {{0, 3}, {1}}) == 50);
    CHECK(gradient_arena_bytes({30, 0, 50, 20}, {}) == 50);
    PlanStream user;
    GradientBuffers buffers(80);
    CHECK(buffers.take(50, user) == 0);
    CHECK_THROWS_AS(buffers.take(1, user), Error);
    buffers.give_back({});
    CHECK(buffers.take(30, user) == 50);
    buffers.give_back({});
    CHECK(buffers.take(80, user) == 0);
}
