#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// As a training step would: leases in and out of phases, and activations of its own.
void program(Rank& rank, const SmallModel& m, const StoreOptions& options) {
    LayerStore& store = rank.make_store(m.units, options);
    if (!rank.context().is_plan()) load(store, m, rank.context().compute_type());
    for (int step = 0; step < 2; step++) {
        PhaseScope train(rank.context().memory(), "train");
        for (const std::vector<int>& order : m.schedules) {
            store.schedule(order);
            for (int unit : order) {
                Lease lease = store.acquire(unit, rank.context().compute());
                Tensor activation = rank.context().empty({100}, DType::f32, "activation");
                store.gradients(unit, rank.context().compute()).reduce();
            }
        }
        User user(rank, false);
        optimize(rank, store, user);
    }
}

}  // namespace

TEST_CASE("plan rank: the same program on the plan device gives the slab that the run replays") {
    for (unsigned seed = 1; seed <= 6; seed++) {
        const SmallModel m = random_model(seed);
        for (Strategy strategy : {Strategy::ddp, Strategy::shard_grad_op, Strategy::full_shard}) {
            const StoreOptions store{.strategy = strategy, .prefetch = 2, .schedules = m.schedules};
            LaunchOptions options;
            options.world_size = 2;
            options.threads = 3;
            options.compute = seed % 2 ? DType::bf16 : DType::f32;
            std::vector<RankPlan> plans;
            for (int r = 0; r < 2; r++) {
                PlanRank plan(options, r);
                program(plan.rank(), m, store);
                plans.push_back(plan.plan());
            }
            options.plans = plans;
            launch(options, [&](Rank& rank) {
                program(rank, m, store);
                const Ledger& ledger = rank.context().memory().ledger();
                CHECK(ledger.peak == plans[std::size_t(rank.context().rank())].device.ledger.peak);
            });
            options.plans = std::span(plans).first(1);
            CHECK_THROWS_AS(launch(options, [](Rank&) {}), Error);
        }
    }
}

TEST_CASE("plan rank: every byte has a name") {
    LaunchOptions options;
    options.world_size = 2;
    options.compute = DType::bf16;
    PlanRank plan(options, 1);
    plan.rank().make_store({{"a", 4096, 1024}, {"b", 2000, 0}}, {.prefetch = 1, .schedules = {{0, 1, 0}}});
    std::map<std::string, std::pair<Category, std::size_t>> rows;
    const MemoryPlan made = plan.plan().device;
    for (const MemoryPlan::Allocation& a : made.persistent.allocations) rows[a.name] = {a.category, a.bytes};
    CHECK(rows.at("shard.frozen") == std::pair{Category::shard, std::size_t(2048 + 1024)});
    CHECK(rows.at("masters") == std::pair{Category::master, std::size_t(4 * 512)});
    CHECK(rows.at("gradients") == std::pair{Category::gradient, std::size_t(4 * 512)});
    CHECK(rows.at("shard.trainable") == std::pair{Category::shard, std::size_t(2 * 512)});
    CHECK(rows.at("gather.arena") == std::pair{Category::gather, std::size_t(4096 + 2048 + 2048)});
    CHECK(rows.at("gradients.arena") == std::pair{Category::gradient, std::size_t(2 * 4 * 1024)});
    CHECK(rows.at("cpu.scratch").first == Category::workspace);
    CHECK(rows.size() == 7);
}
