#include "tools/session/fine_tune.h"

#include <fmt/core.h>

#include <chrono>

#include "models/llama/first_bad.h"
#include "tools/session/load.h"
#include "tools/session/machine.h"
#include "tools/session/run_content.h"
#include "tools/session/settings/recipe_settings.h"

namespace tandem {

struct FineTune::Own {
    explicit Own(const Recipe& wanted) {
        declare(settings, recipe);
        recipe = wanted;
    }
    Recipe recipe;
    Settings settings;
};

FineTune::FineTune(const Recipe& recipe, const MakeData& data) : FineTune(std::make_unique<Own>(recipe), data) {}

FineTune::FineTune(std::unique_ptr<Own> own, const MakeData& data) : FineTune(own->recipe, own->settings, data) {
    own_ = std::move(own);
}

FineTune::FineTune(Recipe& recipe, const Settings& settings, const MakeData& data)
    : recipe_(recipe), settings_(settings), opened_(open_recipe(recipe, settings, data)),
      feed_(opened_.data, feed_options(recipe)),
      total_steps_(feed_.steps().total_steps(recipe.num_epochs, recipe.max_steps)),
      content_(run_content(recipe, opened_)), model_files_(model_files_hash(opened_.model)) {}

FineTune::~FineTune() = default;

RankSetup FineTune::setup() const {
    return {recipe_, opened_, opened_.params, opened_.data, opened_.eval_data ? &*opened_.eval_data : nullptr,
            host_weights_.get(), loss_};
}

const TrainPlan& FineTune::plan() {
    if (!plan_) plan_ = plan_training(setup());
    return *plan_;
}

std::string FineTune::settle_places(const Room& room) {
    const std::string elsewhere = tandem::settle_places(recipe_, setup(), plan().memory, room);
    if (!elsewhere.empty()) plan_.reset();
    return elsewhere;
}

void FineTune::require_room(const Room& room, Begin begin) {
    settle_places(room);
    tandem::require_room(setup(), plan().memory, room, begin);
    room_checked_ = true;
}

void FineTune::start(Trace* trace, const LoadProgress& progress) {
    if (!room_checked_) require_room(room_of(recipe_), Begin::fresh);
    LaunchOptions l = launch_options(recipe_, opened_.params);
    l.trace = trace;
    l.plans = plan_->memory.plans;
    l.recompute_plan = &plan_->recompute;
    host_weights_ = make_host_weights(recipe_, opened_.params);
    setup_.emplace(setup());
    WeightLoader loader(opened_.params, opened_.weights(std::uint64_t(recipe_.seed)), l.world_size, progress);
    ranks_ = std::make_unique<Ranks>(l);
    trainers_.emplace(*ranks_);
    ranks_->run([&](Rank& rank) {
        RankTrainer& trainer = trainers_->make(rank, rank, *setup_);
        const std::uint64_t weights = loader.load(rank, trainer.store());
        if (rank.context().rank() > 0) return;
        base_hash_ = shape_hash(opened_.model.config) + weights;
        kernels_ = kernels_of(rank.context());
    });
}

void FineTune::run(const std::function<void(RankTrainer&)>& body) {
    if (!ranks_) throw Error("[fine-tune] it has not begun; call start() first");
    ranks_->run([&](Rank& rank) { body(trainers_->of(rank)); });
}

void FineTune::restore(const Checkpoint& checkpoint) {
    const Manifest& m = checkpoint.manifest;
    if (m.base_hash != base_hash_)
        throw InputError(
            fmt::format("{} was made from other base weights or another config.json than {} holds; use {} never or "
                        "another {}",
                        checkpoint.folder.string(), opened_.model.name, setting("resume"), setting("output_dir")));
    run([&](RankTrainer& r) { r.restore(checkpoint); });
    done_ = applied_ = m.step;
    updates_ = m.updates;
}

FineTune::Step FineTune::step(std::optional<double> wanted) {
    const auto begin = std::chrono::steady_clock::now();
    const double lr =
        wanted ? *wanted : learning_rate(recipe_.lr_scheduler, recipe_.lr, done_, total_steps_);
    std::vector<StepInput> inputs;
    for (int r = 0; r < recipe_.gpus.world_size(); r++) inputs.push_back(feed_.step(done_, r));
    StepResult result;
    run([&](RankTrainer& r) {
        const int rank = r.rank().context().rank();
        const StepResult mine = r.step(inputs[std::size_t(rank)], lr);
        if (rank > 0) return;
        result = mine;
        updates_ = r.trainer().updates();
    });
    const std::int64_t tokens = feed_.tokens(done_);
    done_++;
    if (result.bad.empty()) applied_ = done_;
    Step step;
    step.step = done_;
    step.epoch = feed_.epoch(done_);
    step.loss = result.loss;
    step.grad_norm = result.grad_norm;
    step.lr = lr;
    step.tokens = tokens;
    step.supervised_tokens = inputs[0].supervised;
    step.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    step.bad = result.bad;
    return step;
}

double FineTune::evaluate() {
    if (!opened_.eval_data)
        throw InputError(fmt::format("there is nothing to evaluate; give {}", setting("eval_dataset")));
    const Feed feed = evaluation_feed(*setup_);
    double loss = 0;
    run([&](RankTrainer& r) {
        const int rank = r.rank().context().rank();
        const double mean = r.mean_loss(feed.once(rank), feed.supervised());
        if (rank == 0) loss = mean;
    });
    return loss;
}

Answer FineTune::answer(std::span<const std::int32_t> prompt, const GenerateSettings& settings) {
    if (!recipe_.answers && !recipe_.sample_prompt)
        throw Error("[fine-tune] there is no room for answers; set Recipe::answers before start()");
    trainers_->of(0).check_prompt(prompt);
    Answer answer;
    std::optional<NotFinite> bad;
    run([&](RankTrainer& r) {
        const bool first = r.rank().context().rank() == 0;
        try {
            Answer mine = r.answer(prompt, settings);
            if (first) answer = std::move(mine);
        } catch (const NotFinite& e) {  // on every rank: no reason to end them
            if (first) bad = e;
        }
    });
    if (bad) throw NotFinite(*bad);
    return answer;
}

std::uint64_t FineTune::checkpoint(const std::filesystem::path& root, std::int64_t keep,
                                   const std::vector<std::string>& lines) {
    Manifest m;
    m.step = applied_;
    m.updates = updates_;
    m.content = content_;
    m.base_hash = base_hash_;
    m.model_files = model_files_;
    m.kernels = kernels_;
    m.options = settings_.json();
    m.lines = lines;
    std::uint64_t hash = 0;
    run([&](RankTrainer& r) {
        const std::uint64_t mine = r.checkpoint(root, m, keep);
        if (r.rank().context().rank() == 0) hash = mine;
    });
    return hash;
}

void FineTune::save(const std::filesystem::path& folder) { save(Result{folder, applied_, 0}); }

void FineTune::save(const Result& result) {
    run([&](RankTrainer& r) { r.save(result); });
}

std::vector<Ledger> FineTune::memory_seen() {
    std::vector<Ledger> all(std::size_t(recipe_.gpus.world_size()));
    run([&](RankTrainer& r) {
        Context& ctx = r.rank().context();
        all[std::size_t(ctx.rank())] = ctx.memory().ledger();
    });
    return all;
}

}  // namespace tandem
