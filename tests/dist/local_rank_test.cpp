#include "dist/local_rank.h"

#include <filesystem>

#include "dist/ranks.h"
#include "runtime/thread_pool.h"
#include "tests/dist/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

std::size_t threads() { return std::size_t(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {})); }

}  // namespace

TEST_CASE("local rank: a world of one in the calling thread, with its pool's threads and one stream") {
    const std::size_t before = threads();
    LocalRank rank({.compute = DType::bf16, .threads = 3});
    Context& ctx = rank.context();
    CHECK(threads() == before + 2);
    CHECK(ctx.cpu().pool->size() == 3);
    CHECK(ctx.world_size() == 1);
    CHECK(ctx.rank() == 0);
    CHECK(ctx.device().kind == DeviceKind::cpu);
    CHECK(ctx.compute_type() == DType::bf16);
    CHECK(&ctx.gather() == &ctx.compute());
    CHECK(&ctx.reduce() == &ctx.compute());
    const std::thread::id here = std::this_thread::get_id();
    ctx.compute().enqueue("where", [&] { CHECK(std::this_thread::get_id() == here); });
    double value = 3;
    rank.collective().barrier();
    rank.collective().sum({&value, 1});
    CHECK(value == 3);
}

TEST_CASE("local rank: a store gives the bits that one launched rank gives") {
    for (unsigned seed = 1; seed <= 4; seed++)
        for (DType compute : {DType::f64, DType::f32, DType::bf16}) {
            const SmallModel m = random_model(seed);
            LocalRank made = Ranks::local({.compute = compute});
            LocalRank rank = std::move(made);
            LayerStore& store = rank.make_store(m.units, {.schedules = m.schedules});
            load(store, m, compute);
            Seen seen = run_program(rank.rank(), store, m);
            const Seen launched = run_model(m, {.world_size = 1, .compute = compute});
            CHECK(seen.leased == launched.leased);
            for (int u = 0; u < int(m.units.size()); u++) {
                TrainableRange r = store.trainable(u, rank.context().compute());
                std::vector<double>& masters = seen.masters.emplace_back();
                for (std::int64_t i = 0; i < m.units[std::size_t(u)].trainable_elements; i++)
                    masters.push_back(at(rank.context().gradient_type(), r.master, i));
            }
            CHECK(seen.masters == launched.masters);
        }
}

TEST_CASE("local rank: what it keeps goes newest first, before its store") {
    std::vector<int> gone;
    struct Noted {
        Noted(std::vector<int>& g, int i, const std::byte* b) : gone(g), id(i), byte(b) {}
        ~Noted() { gone.push_back(id + int(*byte)); }
        std::vector<int>& gone;
        int id;
        const std::byte* byte;
    };
    {
        LocalRank rank;
        LayerStore& store = rank.make_store({{"a", 1024, 0}}, {.schedules = {{0}}});
        store.load_frozen(0, 0, std::vector<std::byte>(1024, std::byte(7)));
        store.schedule(std::vector<int>{0});
        const std::byte* byte = store.acquire(0, rank.context().compute()).frozen().data();
        for (int id : {10, 20}) rank.rank().keep(std::make_shared<Noted>(gone, id, byte));
    }
    CHECK(gone == std::vector<int>{27, 17});
}

TEST_CASE("local rank: a card that this build cannot use is refused") {
    if constexpr (!build::has_cuda)
        CHECK_THROWS_WITH_AS(LocalRank({.card = 0}), doctest::Contains("built without CUDA"), InputError);
}
