// The memory that a step on the plan device foresees is the memory that a run uses, and replaying it changes no bit.
#include "models/llama/params.h"
#include "tests/equivalence/command_line.h"
#include "tests/support/adapter_files.h"
#include "tools/inference.h"
#include "tools/train_run.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr int ranks = 2;

struct Setup {
    std::string data;
    TrainType type = TrainType::qlora;
    Precision precision = Precision::bf16;
    ShardingStrategy strategy = ShardingStrategy::full_shard;
    bool checkpointing = true;
    bool samples = false;  // generates text, too: planned for an answer that fills the context
    std::optional<ModuleSelection> modules = {};  // none: all seven projections of every layer
};

enum class RunMemory { slab, heap };

using Peaks = std::array<std::size_t, category_count>;

// What `train` joins, with a look at each rank's ledger.
class Run {
  public:
    Run(const Setup& setup, const std::filesystem::path& folder) {
        TrainOptions& o = run_.options;
        o.model = (golden / "models/llama2-mha").string();
        o.gpus = {"cpu", "cpu"};
        o.train_type = setup.type;
        o.precision = setup.precision;
        o.sharding_strategy = setup.strategy;
        o.use_gradient_checkpointing = setup.checkpointing;
        o.batch_size = 2;
        o.gradient_accumulation_steps = 2;
        o.lora_rank = 8;
        o.lr = 0.002;
        o.output_dir = folder;
        run_.model = open_model(o, std::nullopt);
        run_.adapter.lora = {int(o.lora_rank), o.lora_alpha, o.lora_dropout, false, target_modules(o)};
        if (setup.modules) run_.adapter.lora.modules = *setup.modules;
        run_.adapter.base_model = o.model;
        ParamSetup params;
        params.compute = compute_type(o.precision);
        params.quant = base_quant(run_.model, o);
        params.train_base = !run_.trains_adapter();
        if (run_.trains_adapter()) params.lora = run_.adapter.lora;
        run_.params = make_params(run_.model.config, params);
        run_.data = read_dataset(setup.data, nullptr, {o.context_length, run_.model.config.vocab, false, 22});
        run_.eval_data = read_dataset(setup.data, nullptr, {o.context_length, run_.model.config.vocab, false, 10});
        if (setup.samples) run_.sample_prompt = {1, 2, 3};
        run_.total_steps = 3;
        run_.stores.resize(ranks);
        run_.options_json = "{}";
        std::filesystem::create_directories(folder);
        run_.outputs = std::make_unique<RunOutputs>(o, std::nullopt);
    }

    Trained train(RunMemory memory) {
        LaunchOptions l;
        l.world_size = ranks;
        l.threads = 2;
        l.compute = compute_type(run_.options.precision);
        plan_memory(run_, l);
        if (memory == RunMemory::slab) l.plans = run_.memory;
        l.recompute_plan = &run_.recompute;
        Console console(StepLog::lines, Stdout::open);
        launch(l, [&](Rank& rank) {
            int r = rank.context().rank();
            TrainRank(run_, rank, r == 0 ? &console : nullptr).train();
            peaks_[std::size_t(r)] = rank.context().memory().ledger().peak;
        });
        return read_run(run_.options.output_dir);
    }

    const Peaks& peak(int rank) const { return peaks_[std::size_t(rank)]; }
    const Peaks& planned(int rank) const { return run_.memory[std::size_t(rank)].ledger.peak; }

  private:
    TrainRun run_;
    std::array<Peaks, ranks> peaks_;
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

std::vector<Setup> setups(const std::string& data) {
    return {{data},
            {data, TrainType::lora, Precision::fp32, ShardingStrategy::shard_grad_op},
            {data, TrainType::full, Precision::bf16, ShardingStrategy::ddp},
            {data, TrainType::qlora, Precision::fp32, ShardingStrategy::full_shard, false}};
}

}  // namespace

TEST_CASE("memory: on samples of equal length every category's high-water mark is the plan's") {
    Scratch scratch;
    int n = 0;
    for (const Setup& setup : setups(equal_samples(scratch).string())) {
        CAPTURE(n);
        Run run(setup, scratch.path / std::to_string(n++));
        run.train(RunMemory::slab);
        for (int r = 0; r < ranks; r++)
            for (std::size_t c = 0; c < category_count; c++) {
                CAPTURE(r);
                CAPTURE(name_of(Category(c)));
                CHECK(run.peak(r)[c] == run.planned(r)[c]);
            }
    }
}

TEST_CASE("memory: layers without an adapter take none for one") {
    Scratch scratch;
    Setup setup{equal_samples(scratch).string(), TrainType::lora, Precision::fp32};
    Run all(setup, scratch.path / "all");
    setup.modules = selection(R"("target_modules": ["q_proj", "k_proj"], "layers_to_transform": [1])");
    Run one(setup, scratch.path / "one");
    all.train(RunMemory::slab);
    one.train(RunMemory::slab);
    for (int r = 0; r < ranks; r++) {
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
        Run run(setup, scratch.path / std::to_string(n++));
        run.train(RunMemory::slab);
        for (int r = 0; r < ranks; r++)
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
        Trained from_slab = Run(setup, scratch.path / std::to_string(n++)).train(RunMemory::slab);
        Trained from_heap = Run(setup, scratch.path / std::to_string(n++)).train(RunMemory::heap);
        REQUIRE(from_slab.steps.size() == 3);
        check_same(from_slab, from_heap);
    }
}
