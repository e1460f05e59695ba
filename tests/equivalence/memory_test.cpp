// The memory that a step on the plan device foresees is the memory that a run uses, and replaying it changes no bit.
#include "dist/ranks.h"
#include "models/llama/params.h"
#include "tests/equivalence/command_line.h"
#include "tests/support/adapter_files.h"
#include "tools/check_op/device_kinds.h"
#include "tools/session/load.h"
#include "tools/session/machine.h"
#include "tools/session/settings/recipe_settings.h"
#include "tools/session/train_plan.h"

using namespace tandem;
using namespace tandem::test;

namespace {

struct Setup {
    std::string data;
    Placement gpus = Placement::cpu(2);
    TrainType type = TrainType::qlora;
    Precision precision = Precision::bf16;
    Strategy strategy = Strategy::full_shard;
    bool checkpointing = true;
    bool samples = false;  // generates text, too: planned for an answer that fills the context
    std::optional<ModuleSelection> modules = {};  // none: all seven projections of every layer
    WeightsOn weights = WeightsOn::device;
    ActivationsOn activations = ActivationsOn::device;
    std::string model = "llama2-mha";
    int samples_used = 22;
};

enum class RunMemory { slab, heap };

using Peaks = std::array<std::size_t, category_count>;
struct PlacePeaks {
    Peaks device, host;
};

// A fine-tuning of three steps, with a look at each rank's ledger.
class PlannedRun {
  public:
    PlannedRun(const Setup& setup, const std::filesystem::path& folder) : folder_(folder) {
        Settings settings;
        declare(settings, recipe_);
        recipe_.model = (golden / "models" / setup.model).string();
        recipe_.gpus = setup.gpus;
        recipe_.weights_on = setup.weights;
        recipe_.activations_on = setup.activations;
        recipe_.threads = 2;
        recipe_.train_type = setup.type;
        recipe_.precision = setup.precision;
        recipe_.sharding_strategy = setup.strategy;
        recipe_.use_gradient_checkpointing = setup.checkpointing;
        recipe_.batch_size = 2;
        recipe_.gradient_accumulation_steps = 2;
        if (trains_adapter(recipe_)) recipe_.lora_rank = 8;
        recipe_.lr = 0.002;
        recipe_.dataset = recipe_.eval_dataset.emplace(setup.data);
        recipe_.dataset_samples = setup.samples_used;
        recipe_.answers = setup.samples;
        opened_ = open_recipe(recipe_, settings);
        if (setup.modules) {
            opened_.adapter.lora.modules = *setup.modules;
            ParamSetup params;
            params.compute = compute_type(recipe_.precision);
            params.quant = base_quant(opened_.model, recipe_);
            params.lora = opened_.adapter.lora;
            opened_.params = make_params(opened_.model.config, params);
        }
        plan_ = plan_training(rank_setup());
    }

    Trained train(RunMemory memory) {
        LaunchOptions l = launch_options(recipe_, opened_.params);
        if (memory == RunMemory::slab) l.plans = plan_.memory.plans;
        l.recompute_plan = &plan_.recompute;
        const std::unique_ptr<HostWeights> host = make_host_weights(recipe_, opened_.params);
        RankSetup setup = rank_setup();
        setup.host_weights = host.get();
        WeightLoader loader(opened_.params, opened_.weights(42), l.world_size);
        seen_.resize(std::size_t(l.world_size));
        Trained trained;
        launch(l, [&](Rank& rank) {
            const int r = rank.context().rank();
            RankTrainer trainer(rank, setup);
            loader.load(rank, trainer.store());
            Feed feed(opened_.data, feed_options(recipe_));
            for (std::int64_t step = 0; step < 3; step++) {
                const StepResult result = trainer.step(feed.step(step, r), recipe_.lr);
                if (r == 0) trained.steps.push_back({0, result.loss, result.grad_norm, 0, 0, 0});
            }
            const Feed held_back = evaluation_feed(setup);
            trainer.mean_loss(held_back.once(r), held_back.supervised());
            if (recipe_.answers) trainer.answer(std::vector<std::int32_t>{1, 2, 3}, {.max_new_tokens = 64});
            if (trains_adapter(recipe_)) trainer.save({folder_ / "adapter"});
            const Device& d = rank.context().device();
            seen_[std::size_t(r)] = {d.memory->ledger().peak, d.host == d.memory ? Peaks{} : d.host->ledger().peak};
        });
        trained.adapter = bytes_of(folder_ / "adapter" / "adapter_model.safetensors");
        return trained;
    }

    int ranks() const { return recipe_.gpus.world_size(); }
    const Peaks& peak(int rank) const { return seen_[std::size_t(rank)].device; }
    const Peaks& planned(int rank) const { return plan_.memory.plans[std::size_t(rank)].device.ledger.peak; }
    const Peaks& on_host(int rank) const { return seen_[std::size_t(rank)].host; }
    const Peaks& planned_on_host(int rank) const { return plan_.memory.plans[std::size_t(rank)].host.ledger.peak; }

  private:
    RankSetup rank_setup() const { return {recipe_, opened_, opened_.params, opened_.data, &*opened_.eval_data}; }

    std::filesystem::path folder_;
    Recipe recipe_;
    Opened opened_;
    TrainPlan plan_;
    std::vector<PlacePeaks> seen_;  // by rank
};

// Samples of 40 tokens, all of them supervised.
std::filesystem::path equal_samples(const Scratch& scratch) {
    std::string text;
    for (int i = 0; i < 22; i++) {
        std::vector<int> ids;
        for (int t = 0; t < 40; t++) ids.push_back((i * 37 + t * 11) % 500);
        text += nlohmann::json{{"input_ids", ids}, {"labels", ids}}.dump() + "\n";
    }
    return scratch.put("equal.jsonl", text);
}

void check_as_planned(PlannedRun& run) {
    run.train(RunMemory::slab);
    for (int r = 0; r < run.ranks(); r++)
        for (std::size_t c = 0; c < category_count; c++) {
            CAPTURE(r);
            CAPTURE(name_of(Category(c)));
            CHECK(run.peak(r)[c] == run.planned(r)[c]);
            CHECK(run.on_host(r)[c] == run.planned_on_host(r)[c]);
        }
}

std::vector<Setup> setups(const std::string& data) {
    const Placement two = Placement::cpu(2);
    return {{data},
            {data, two, TrainType::lora, Precision::fp32, Strategy::shard_grad_op},
            {data, two, TrainType::full, Precision::bf16, Strategy::ddp},
            {data, two, TrainType::qlora, Precision::fp32, Strategy::full_shard, false}};
}

}  // namespace

TEST_CASE("memory: on samples of equal length every category's high-water mark is the plan's") {
    Scratch scratch;
    int n = 0;
    for (const Setup& setup : setups(equal_samples(scratch).string())) {
        CAPTURE(n);
        PlannedRun run(setup, scratch.path / std::to_string(n++));
        check_as_planned(run);
    }
}

// Worlds of one to three ranks, models, train types, strategies and places.
TEST_CASE("memory: wherever frozen weights lie, every category's high-water mark is the plan's") {
    Scratch scratch;
    const std::string data = equal_samples(scratch).string();
    int n = 0;
    for (Setup s : {Setup{data, Placement::cpu(1)}, Setup{data, Placement::cpu(2)}, Setup{data, Placement::cpu(3)},
                    Setup{data, Placement::cpu(3), TrainType::hqq_lora}})
        for (WeightsOn weights : {WeightsOn::device, WeightsOn::host})
            for (const char* model : {"llama2-mha", "llama3-gqa"})
                for (Strategy strategy : {Strategy::full_shard, Strategy::shard_grad_op}) {
                    s.weights = weights;
                    s.model = model;
                    s.strategy = strategy;
                    CAPTURE(n);
                    PlannedRun run(s, scratch.path / std::to_string(n++));
                    check_as_planned(run);
                }
}

TEST_CASE("cards: wherever weights and activations lie, the high-water marks at each place are the plan's") {
    if (!has_card()) {
        if (build::has_cuda) MESSAGE("SKIPPED: no card here");
        return;
    }
    Scratch scratch;
    const std::string data = equal_samples(scratch).string();
    int n = 0;
    for (Setup s : {Setup{data, Placement::on_cards({0})}, Setup{data, Placement::on_cards({0, 0})}})
        for (WeightsOn weights : {WeightsOn::device, WeightsOn::mirror, WeightsOn::host})
            for (ActivationsOn activations : {ActivationsOn::device, ActivationsOn::host}) {
                if (weights == WeightsOn::mirror && s.gpus.world_size() == 1) continue;
                s.weights = weights;
                s.activations = activations;
                if (weights == WeightsOn::host) s.type = TrainType::lora;
                s.samples_used = 8;
                CAPTURE(n);
                PlannedRun run(s, scratch.path / std::to_string(n++));
                check_as_planned(run);
                const std::size_t kept = run.on_host(0)[std::size_t(Category::activation)];
                CHECK((kept > 0) == (activations == ActivationsOn::host));
            }
}

TEST_CASE("memory: layers without an adapter take none for one") {
    Scratch scratch;
    Setup setup{equal_samples(scratch).string(), Placement::cpu(2), TrainType::lora, Precision::fp32};
    PlannedRun all(setup, scratch.path / "all");
    setup.modules = selection(R"("target_modules": ["q_proj", "k_proj"], "layers_to_transform": [1])");
    PlannedRun one(setup, scratch.path / "one");
    all.train(RunMemory::slab);
    one.train(RunMemory::slab);
    for (int r = 0; r < 2; r++) {
        for (Category c : {Category::master, Category::gradient, Category::optimizer})  // two modules of 28
            CHECK(one.peak(r)[std::size_t(c)] * 8 <= all.peak(r)[std::size_t(c)]);
        for (std::size_t c = 0; c < category_count; c++) {
            CAPTURE(name_of(Category(c)));
            CHECK(one.peak(r)[c] == one.planned(r)[c]);
            CHECK(one.peak(r)[c] <= all.peak(r)[c]);
        }
    }
}

TEST_CASE("memory: on samples of unequal length no category passes the plan's high-water mark") {
    Scratch scratch;
    int n = 0;
    for (Setup setup : setups((golden / "data/llama2-ragged.jsonl").string())) {
        CAPTURE(n);
        setup.samples = true;
        PlannedRun run(setup, scratch.path / std::to_string(n++));
        run.train(RunMemory::slab);
        for (int r = 0; r < 2; r++)
            for (std::size_t c = 0; c < category_count; c++) {
                CAPTURE(r);
                CAPTURE(name_of(Category(c)));
                CHECK(run.peak(r)[c] <= run.planned(r)[c]);
            }
    }
}

TEST_CASE("memory: the planned slab gives what memory from the heap gives, bit for bit") {
    Scratch scratch;
    int n = 0;
    for (Setup setup : setups((golden / "data/llama2-ragged.jsonl").string())) {
        if (setup.type == TrainType::full) continue;  // it writes no adapter
        setup.samples = true;
        Trained from_slab = PlannedRun(setup, scratch.path / std::to_string(n++)).train(RunMemory::slab);
        Trained from_heap = PlannedRun(setup, scratch.path / std::to_string(n++)).train(RunMemory::heap);
        REQUIRE(from_slab.steps.size() == 3);
        check_same(from_slab, from_heap);
    }
}
