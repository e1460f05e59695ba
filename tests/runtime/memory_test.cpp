#include "runtime/memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

using namespace tandem;

namespace {

// A phase of random allocations, at `fraction` of their planned sizes; every block is filled and read back at its end.
void run_phase(Memory& memory, const char* phase, unsigned seed, double fraction, bool touch) {
    struct Live {
        std::shared_ptr<Block> block;
        unsigned char fill;
    };
    std::mt19937 random(seed);
    std::vector<Live> live;
    PhaseScope scope(memory, phase);
    auto drop = [&](std::size_t i) {
        const Block& b = *live[i].block;
        auto intact = [&](std::byte v) { return v == std::byte(live[i].fill); };
        if (touch) CHECK(std::all_of(b.data, b.data + b.bytes, intact));
        live.erase(live.begin() + std::ptrdiff_t(i));
    };
    for (int i = 0; i < 300; i++) {
        std::size_t bytes = random() % 5000;
        unsigned char fill = static_cast<unsigned char>(random());
        live.push_back(
            {memory.allocate(std::size_t(double(bytes) * fraction), Category::activation, "a" + std::to_string(i)),
             fill});
        if (touch) std::memset(live.back().block->data, fill, live.back().block->bytes);
        while (live.size() > 20 || (!live.empty() && random() % 3 == 0)) drop(random() % live.size());
    }
    while (!live.empty()) drop(live.size() - 1);
}

}  // namespace

TEST_CASE("what the plan packs never overlaps while alive, and smaller requests fit too") {
    for (unsigned seed = 1; seed <= 20; seed++) {
        PlanMemory recorder;
        auto persistent = recorder.allocate(1000, Category::optimizer, "m");
        run_phase(recorder, "train", seed, 1, false);
        run_phase(recorder, "evaluate", seed + 100, 1, false);
        MemoryPlan plan = recorder.plan();

        std::size_t most = 0;  // alive at once
        for (const auto& a : plan.phases[0].allocations) {
            std::size_t sum = 0;
            for (const auto& b : plan.phases[0].allocations)
                if (b.born <= a.born && a.born < b.died) sum += align_up(b.bytes);
            most = std::max(most, sum);
        }
        CHECK(plan.phases[0].bytes >= most);
        CHECK(plan.phases[0].bytes <= most * 5 / 4);  // fragmentation of the packing, seen: at most 1.12

        std::vector<std::byte> room(plan.slab_bytes() + memory_alignment);
        auto aligned =
            reinterpret_cast<std::uintptr_t>(room.data()) / memory_alignment * memory_alignment + memory_alignment;
        auto slab = make_slab_memory(plan, reinterpret_cast<std::byte*>(aligned));
        auto m = slab->allocate(1000, Category::optimizer, "m");
        std::memset(m->data, 7, m->bytes);
        run_phase(*slab, "train", seed, 1, true);
        CHECK(slab->ledger().peak == [&] {
            Ledger first = plan.ledger;  // of both phases; activations peak in either
            first.peak[std::size_t(Category::activation)] = slab->ledger().peak[std::size_t(Category::activation)];
            return first.peak;
        }());
        run_phase(*slab, "train", seed, 0.37, true);
        run_phase(*slab, "evaluate", seed + 100, 1, true);
        CHECK(slab->ledger().peak == plan.ledger.peak);
        CHECK(std::all_of(m->data, m->data + m->bytes, [](std::byte b) { return b == std::byte(7); }));
    }
}

TEST_CASE("a request that the plan does not hold is refused by name") {
    PlanMemory recorder;
    { PhaseScope s(recorder, "train"); recorder.allocate(64, Category::activation, "x"); }
    MemoryPlan plan = recorder.plan();
    alignas(256) std::byte room[1024];
    auto slab = make_slab_memory(plan, room);
    CHECK_THROWS_WITH(slab->begin("sample"), "[memory] phase sample was not planned");
    PhaseScope s(*slab, "train");
    CHECK_THROWS_WITH(slab->allocate(64, Category::activation, "y"),
                      "[memory] train asks for 64 bytes of y, the plan has 64 bytes of x there");
}

TEST_CASE("what is forgotten is neither placed nor counted, and the run goes on without it") {
    PlanMemory recorder;
    {
        PhaseScope s(recorder, "train");
        auto kept = recorder.allocate(64, Category::activation, "kept");
        auto skipped = recorder.allocate(1024, Category::activation, "skipped");
        const Block gone = *skipped;
        skipped.reset();
        recorder.allocate(128, Category::activation, "after");
        recorder.forget(gone);
    }
    const MemoryPlan plan = recorder.plan();
    CHECK(plan.phases[0].allocations.size() == 2);
    CHECK(plan.ledger.peak[std::size_t(Category::activation)] == 64 + 128);
    alignas(256) std::byte room[1024];
    REQUIRE(plan.slab_bytes() <= sizeof(room));
    auto slab = make_slab_memory(plan, room);
    PhaseScope s(*slab, "train");
    auto kept = slab->allocate(64, Category::activation, "kept");
    slab->allocate(128, Category::activation, "after");
    CHECK(slab->ledger().peak == plan.ledger.peak);
}
