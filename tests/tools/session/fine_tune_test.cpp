// The run as a library: the same bits as the command line, losses and schedules of one's own, and what fails.
#include <atomic>

#include "tests/equivalence/command_line.h"
#include "tests/models/io/support.h"
#include "tools/session/tandem.h"

using namespace tandem;
using namespace tandem::test;

namespace {

Recipe small_recipe() {
    Recipe r;
    r.model = (golden / "models/llama2-mha").string();
    r.dataset = (golden / "data/llama2-ragged.jsonl").string();
    r.dataset_samples = 12;
    r.gpus = Placement::cpu(2);
    r.precision = Precision::fp32;
    r.batch_size = 2;
    r.lora_rank = 8;
    r.lr = 0.002;
    r.threads = 2;
    return r;
}

const Arguments small_options{{"model", (golden / "models/llama2-mha").string()},
                              {"dataset", (golden / "data/llama2-ragged.jsonl").string()},
                              {"dataset-samples", "12"},
                              {"gpus", "cpu,cpu"},
                              {"precision", "fp32"},
                              {"batch-size", "2"},
                              {"lora-rank", "8"},
                              {"lr", "0.002"},
                              {"threads", "2"}};

Trained run(FineTune& tune, const std::filesystem::path& folder) {
    tune.start();
    Trained trained;
    while (tune.steps() < tune.total_steps()) {
        const FineTune::Step s = tune.step();
        trained.steps.push_back({s.epoch, s.loss, s.grad_norm, s.lr, s.tokens, s.supervised_tokens});
    }
    tune.save(folder / "adapter");
    trained.adapter = bytes_of(folder / "adapter" / "adapter_model.safetensors");
    return trained;
}

}  // namespace

TEST_CASE("session: a fine-tuning step by step has the bits of the command line's") {
    Scratch scratch;
    FineTune tune(small_recipe());
    check_same(run(tune, scratch.path), train_in(scratch.path / "run", small_options));
}

TEST_CASE("session: loading says how far it is, up to the whole") {
    std::vector<double> shares;
    FineTune tune(small_recipe());
    tune.start(nullptr, [&](double share) { shares.push_back(share); });
    REQUIRE(shares.size() > 20);
    CHECK(shares.front() > 0);
    CHECK(std::is_sorted(shares.begin(), shares.end()));
    CHECK(shares.back() == 1);
}

TEST_CASE("session: a loss of one's own that is cross-entropy changes no bit") {
    Scratch scratch;
    for (Precision precision : {Precision::fp32, Precision::bf16}) {
        Recipe recipe = small_recipe();
        recipe.precision = precision;
        FineTune built_in(recipe), own(recipe);
        std::atomic<int> rows = 0;
        own.use_loss([&](const LossRows& r) {
            rows += int(r.targets.size());
            cross_entropy(r);
        });
        check_same(run(built_in, scratch.path / "built_in"), run(own, scratch.path / "own"));
        CHECK(rows > 0);
    }
}

TEST_CASE("session: a loss of one's own is what is trained on, by a schedule of one's own") {
    Recipe recipe = small_recipe();
    FineTune once(recipe), twice(recipe);
    twice.use_loss([](const LossRows& r) {
        cross_entropy(r);
        for (double& loss : r.losses) loss *= 2;
        for (float& d : r.dlogits) d *= 2;
    });
    once.start();
    twice.start();
    const FineTune::Step a = once.step(0.0), b = twice.step(0.0);
    CHECK(b.loss == 2 * a.loss);
    CHECK(b.grad_norm == doctest::Approx(2 * a.grad_norm).epsilon(1e-6));  // f32 sums of halves and doubles
    CHECK(a.lr == 0.0);
    once.step(1e-3);
}

TEST_CASE("session: the failure of a rank ends the fine-tuning with its name") {
    FineTune tune(small_recipe());
    tune.use_loss([](const LossRows&) { throw std::runtime_error("no such loss"); });
    tune.start();
    for (int i = 0; i < 2; i++) {
        std::string what;
        try {
            tune.step();
        } catch (const Error& e) {
            what = e.what();
        }
        CHECK(what.starts_with("rank "));
        CHECK(what.ends_with(": no such loss"));
    }
}

TEST_CASE("session: what a recipe cannot have is refused by the settings' names") {
    Recipe r = small_recipe();
    r.lora_rank = 0;
    r.lr = -1;
    CHECK_THROWS_WITH_AS(FineTune{r}, "lora_rank expected an integer >= 1 and <= 65536, got 0\nlr expected a number >= "
                                      "0, got -1", InputError);
    r = small_recipe();
    r.weights_on = WeightsOn::mirror;
    r.gpus = Placement::cpu(1);
    CHECK_THROWS_WITH_AS(FineTune{r}, "weights_on mirror needs two ranks or more; one holds all", InputError);
}

TEST_CASE("session: samples of one's own, checkpoints, answers") {
    Scratch scratch;
    Recipe recipe = small_recipe();
    recipe.answers = true;
    recipe.num_epochs = 2;
    Dataset data;
    const std::vector<std::int32_t> ids{5, 6, 7, 8, 9, 10};
    for (int i = 0; i < 8; i++) data.append({ids, ids});
    const MakeData mine = [&](const Model&) { return data; };
    FineTune all(recipe, mine), first(recipe, mine), rest(recipe, mine);
    for (FineTune* tune : {&all, &first, &rest}) tune->start();
    CHECK(all.total_steps() == 4);
    first.step();
    first.step();
    first.checkpoint(scratch.path / "checkpoints", 1);
    rest.restore(*newest_checkpoint(scratch.path / "checkpoints", [](const std::string&) {}));
    CHECK(rest.steps() == 2);
    for (int i = 0; i < 4; i++) {
        const FineTune::Step whole = all.step();
        if (i < 2) continue;
        const FineTune::Step resumed = rest.step();
        CHECK(whole.loss == resumed.loss);
        CHECK(whole.grad_norm == resumed.grad_norm);
    }
    const GenerateSettings greedy{.max_new_tokens = 4};
    CHECK(all.answer(ids, greedy).ids == rest.answer(ids, greedy).ids);
    CHECK_THROWS_AS(all.answer({}, greedy), InputError);
    CHECK(all.answer(ids, greedy).ids.size() == 4);  // a prompt that cannot be is no failure of a rank
}

namespace {

struct Held {
    std::size_t threads = 0, files = 0, bytes = 0;  // bytes: resident
};

Held held() {
    Held h;
    for ([[maybe_unused]] const auto& t : std::filesystem::directory_iterator("/proc/self/task")) h.threads++;
    for ([[maybe_unused]] const auto& f : std::filesystem::directory_iterator("/proc/self/fd")) h.files++;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) h.bytes = std::stoul(line.substr(6)) * 1024;
    return h;
}

}  // namespace

TEST_CASE("session: what is opened and closed again leaves nothing behind") {
    constexpr int few = 10, many = 60;
    Held after_few;
    for (int i = 0; i < many; i++) {
        FineTune tune(small_recipe());
        tune.start();
        tune.step();
        if (i == few) after_few = held();
    }
    const Held after = held();
    // `tune` of the loop is gone: its ranks with their streams, and what it had mapped.
    CHECK(after.threads < after_few.threads);
    CHECK(after.files <= after_few.files);
    // A leak of a rank's slab alone would be 20 MB each time. ASan keeps what is freed.
#ifndef __SANITIZE_ADDRESS__
    CHECK(after.bytes < after_few.bytes + (many - few) * 64 * 1024);
#endif
}
