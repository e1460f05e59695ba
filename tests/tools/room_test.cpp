#include "tools/session/room/room.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tools/session/room/smaller.h"

namespace tandem {

namespace {

using Of = HostLimit::Of;
using Indices = std::vector<std::size_t>;

// 1000 bytes of weights; a phase in which two of 512 named "x" never live at once; and one that is smaller.
MemoryPlan plan() {
    MemoryPlan p;
    p.persistent.allocations = {{"weights", Category::shard, 1000, 0, 0, 9}};
    p.phases = {{"small", {{"y", Category::activation, 256, 0, 0, 1}}, 0},
                {"large",
                 {{"x", Category::activation, 512, 0, 0, 1},
                  {"x", Category::activation, 512, 0, 1, 3},
                  {"z", Category::workspace, 256, 0, 2, 3}},
                 0}};
    p.pack();
    return p;
}

MemoryNeed need_of(std::vector<int> cards) {
    MemoryNeed need;
    need.plans = {{plan(), {}}, {plan(), {}}};
    need.cards = std::move(cards);
    need.loading = {100, 200};
    need.saving = {10, 10};
    need.host_weights = 2000;
    return need;
}

constexpr std::size_t persistent = 1024, slab = 1024 + 768;

// Changes that save so many bytes each.
struct Savings {
    std::size_t missing;
    std::vector<std::size_t> bytes;
    int planned = 0;

    Advice advice() {
        return advise(bytes.size(), missing, [&](const Indices& chosen) -> std::optional<std::size_t> {
            planned++;
            std::size_t saved = 0;
            for (std::size_t i : chosen) saved += bytes[i];
            return missing > saved ? missing - saved : 0;
        });
    }
};

}  // namespace

TEST_CASE("room: what CPU ranks take of the host") {
    MemoryNeed need = need_of({});
    CHECK(need.host(Of::resident) == 2000 + 2 * slab + 20);
    CHECK(need.host(Of::pinned) == 0);
    need.loading = {5000, 0};
    CHECK(need.host(Of::resident) == 2000 + 2 * persistent + 5000);
    CHECK(need.host(Of::mapped) == 2000 + 2 * slab + 5000);
    need.threads = 3;
    CHECK(need.host(Of::mapped) == 2000 + 2 * slab + 5000 + 3 * address_space_of_thread());
}

TEST_CASE("room: what ranks on cards take of the host") {
    MemoryNeed need = need_of({0, 0});
    CHECK(need.host(Of::resident) == 2000 + 300);
    CHECK(need.host(Of::pinned) == 2000);
}

TEST_CASE("room: a host with a byte too little names its owners, the largest first") {
    Room room;
    room.host = {{Of::resident, 1 << 20, "elsewhere"}, {Of::resident, 2000 + 2 * slab + 20, "here"}};
    CHECK(shortages(need_of({}), room).empty());
    room.host[1].bytes--;
    std::vector<Shortage> all = shortages(need_of({}), room);
    REQUIRE(all.size() == 1);
    CHECK(all[0].memory == "host memory");
    CHECK(all[0].missing() == 1);
    CHECK(all[0].source == "here");
    CHECK(all[0].owners == std::vector<Shortage::Owner>{
                               {"host weights", 2000}, {"weights", 2000}, {"x", 1024}, {"z", 512}, {"loading", 300}});
}

TEST_CASE("room: pages that cards need locked are held against their own limit") {
    Room room;
    room.host = {{Of::pinned, 1999, "RLIMIT_MEMLOCK"}};
    CHECK(shortages(need_of({}), room).empty());
    std::vector<Shortage> all = shortages(need_of({0, 1}), room);
    REQUIRE(all.size() == 1);
    CHECK(all[0].memory == "page-locked host memory");
    CHECK(all[0].owners == std::vector<Shortage::Owner>{{"host weights", 2000}});
    CHECK(missing(all) == 1);
}

TEST_CASE("room: ranks on one card share what is free there") {
    Room room;
    room.cards = {{0, {"big", 2 * slab - 1}}, {1, {"small", slab - 5}}};
    CHECK(shortages(need_of({0}), room).empty());
    std::vector<Shortage> both = shortages(need_of({0, 0}), room);
    REQUIRE(both.size() == 1);
    CHECK(both[0].memory == "memory of card 0 (big)");
    CHECK(both[0].owners[0] == Shortage::Owner{"weights", 2000});
    std::vector<Shortage> small = shortages(need_of({0, 1}), room);
    REQUIRE(small.size() == 1);
    CHECK(small[0].missing() == 5);
    room.rank_on_card = slab - 1;
    CHECK(shortages(need_of({0, 1}), room).size() == 3);
    CHECK(shortages(need_of({0, 1}), room)[0].memory == "memory of card 1 (small)");
    CHECK(missing(shortages(need_of({0, 1}), room)) == 7);
    room.rank_on_card = slab;
    CHECK(shortages(need_of({0, 1}), room).size() == 1);
}

TEST_CASE("room: advice is the first changes that fit, without those that turn out not to be needed") {
    CHECK(Savings{10, {10, 10}}.advice().changes == Indices{0});
    CHECK(Savings{10, {0, 10}}.advice().changes == Indices{1});
    CHECK(Savings{10, {5, 4, 5}}.advice().changes == Indices{0, 2});
    CHECK(Savings{10, {5, 4, 10}}.advice().changes == Indices{2});
    CHECK(Savings{10, {6, 6, 9}}.advice().changes == Indices{0, 1});
    CHECK(Savings{10, {6, 6}}.advice().missing == 0);
}

TEST_CASE("room: where nothing fits, advice is all that helps, and what is missing then") {
    Advice advice = Savings{10, {3, 0, 4}}.advice();
    CHECK(advice.changes == Indices{0, 2});
    CHECK(advice.missing == 3);
    CHECK(Savings{10, {}}.advice().missing == 10);
}

TEST_CASE("room: a change that makes no run is passed over") {
    Advice advice = advise(2, 5, [](const Indices& chosen) -> std::optional<std::size_t> {
        if (chosen == Indices{0}) return std::nullopt;
        return 0;
    });
    CHECK(advice.changes == Indices{1});
}

TEST_CASE("room: a refusal says what is needed, what there is, and what fits or how far it is from that") {
    Shortage s{"host memory", 30'000'000'000, 24'000'000'000, "--host-memory", {{"a", 20'000'000'000}, {"b", 500'000}}};
    CHECK(refusal(s, {{0}, 0}, "--prefetch 0") ==
          "the run needs 30000000000 bytes of host memory, but there are 24000000000 (--host-memory)\n"
          "  largest: a 20.00 GB, b 0.5 MB\n"
          "  this fits: --prefetch 0");
    CHECK(refusal(s, {{0}, 5'000'000}, "--prefetch 0").ends_with(
        "\n  nothing that was tried fits: the smallest, with --prefetch 0, is 5000000 bytes (5.0 MB) too large; take a "
        "smaller model, or a machine with more memory"));
    CHECK(refusal(s, {{}, 7}, "").find("fits: the run as it is is 7 bytes") != std::string::npos);
}

TEST_CASE("room: training's changes keep the global batch, whichever are taken") {
    Recipe o;
    o.gpus = Placement::cpu(2);
    o.batch_size = 6;
    o.lora_rank = 16;
    o.gradient_accumulation_steps = 5;
    o.weights_on = WeightsOn::mirror;
    std::vector<Change<Recipe>> changes = smaller_training(o, 64);
    REQUIRE(changes.size() == 8);  // device, prefetch, one rank, rank 8, batch 3 2 1, context 32
    for (unsigned chosen = 0; chosen < 1u << changes.size(); chosen++) {
        Recipe t = o;
        for (std::size_t i = 0; i < changes.size(); i++)
            if (chosen >> i & 1) changes[i](t);
        CHECK(t.gpus.world_size() * t.batch_size * t.gradient_accumulation_steps == 60);
        CHECK((t.gpus.world_size() == 2 || t.weights_on != WeightsOn::mirror));
        CHECK((t.context_length == o.context_length || t.truncate));
    }
    CHECK(smaller_resumed_training(o).size() == 2);
}

TEST_CASE("room: settings are said as they are given") {
    Recipe o, now;
    o.gpus = Placement::cpu(2);
    now.gpus = Placement::cpu(1);
    now.truncate = true;
    now.weights_on = WeightsOn::device;
    now.sharding_strategy = Strategy::ddp;
    CHECK(worded(settings_between(json_of(o), json_of(now))) ==
          "gpus cpu weights_on device truncate true sharding_strategy ddp");
    CHECK(settings_between(json_of(o), json_of(o)).empty());
}

TEST_CASE("room: samples are cut as they are read, or not at all where nothing supervised is left") {
    Dataset data;
    std::vector<std::int32_t> ids{1, 2, 3, 4}, labels{-100, -100, 3, 4};
    data.append({ids, labels});
    CHECK(cut_samples(data, 3)->largest().length == 3);
    CHECK(cut_samples(data, 9)->largest().length == 4);
    CHECK(!cut_samples(data, 2));
}

}  // namespace tandem
