#include "tools/session/run.h"

#include <fmt/core.h>

#include <cmath>

#include "models/io/files.h"
#include "models/llama/first_bad.h"
#include "tools/session/folder/path_identity.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

// After this many steps in a row without a usable update the run is broken.
constexpr std::int64_t most_bad_steps = 5;

}  // namespace

Run::Run(FineTune& tune, RunEvents& events, std::optional<fs::path> config_file)
    : tune_(tune), events_(events), folder_(tune.recipe(), std::move(config_file)) {
    lock_.take(tune.recipe().output_dir);
    find_resumption();
    if (resumption_ == Resumption::finished) return;
    folder_.check_apart_from(inputs());
    folder_.check_names();
}

void Run::require_room(const Room& room) {
    tune_.require_room(room, from_ ? Begin::resumed : Begin::fresh);
    folder_.check_room(output_sizes());
}

void Run::make_folder() {
    folder_.make();
    lock_.take(tune_.recipe().output_dir);
}

void Run::start(Trace* trace, const LoadProgress& progress) {
    tune_.start(trace, progress);
    if (!from_) return;
    tune_.restore(*from_);
    if (resumption_ == Resumption::to_compare) {
        resumption_ = Resumption::finished;
        return;
    }
    const Manifest& m = from_->manifest;
    if (lies_in(from_->folder, folder_.checkpoints())) {  // else this folder has none yet
        last_checkpoint_ = m.step;
        checkpoint_hash_ = m.hash;
    }
    events_.line(fmt::format("resumed at step {} from {}", m.step, from_->folder.string()));
    if (m.kernels != tune_.kernels())
        events_.line(fmt::format("the checkpoint was computed by {} kernels, this machine has {}: from here on the "
                                 "last bits differ from an uninterrupted run's",
                                 m.kernels, tune_.kernels()));
}

void Run::begin(Earlier earlier) {
    if (earlier == Earlier::remove) folder_.remove_all();
    else if (!from_) folder_.set_checkpoints_aside();
    write_file(folder_.config(), tune_.settings().json() + "\n");
    metrics_.emplace(folder_.metrics(), tune_.steps(), from_ ? from_->manifest.lines : std::vector<std::string>());
    last_evaluation_ = metrics_->last_evaluation();
}

bool Run::is_done() const { return tune_.steps() >= tune_.total_steps() || !metrics_->unwritten().empty(); }

void Run::step() {
    const FineTune::Step step = tune_.step();
    if (step.bad.empty()) bad_in_a_row_ = 0;
    else skipped(step);
    metrics_->add(step);
    events_.step(step, tune_.total_steps());
    const Recipe& r = tune_.recipe();
    const std::int64_t done = tune_.steps(), every = r.eval_every;
    if (tune_.opened().eval_data && done % (every > 0 ? every : tune_.feed().steps().steps_per_epoch()) == 0)
        evaluate();
    const bool due = r.checkpoint_every > 0 && done % r.checkpoint_every == 0;
    if (due && done < tune_.total_steps() && bad_in_a_row_ == 0) checkpoint();
}

void Run::skipped(const FineTune::Step& step) {
    bad_in_a_row_++;
    const std::string what = fmt::format("step {}: {} is not finite", step.step, step.bad);
    events_.line(what + "; the step is skipped on every rank");
    if (bad_in_a_row_ < most_bad_steps) return;
    if (tune_.applied() > 0) checkpoint();
    throw Error(fmt::format("{}, as in the {} steps before; lower {} or look at the data; {}", what,
                            most_bad_steps - 1, setting("lr"),
                            tune_.applied() > 0
                                ? fmt::format("the checkpoint of step {} is sound", tune_.applied())
                                : "nothing was learnt"));
}

void Run::evaluate() {
    const double loss = tune_.evaluate();
    last_evaluation_ = tune_.steps();
    if (!std::isfinite(loss)) {  // no result, and no reason to lose what was trained
        events_.line(fmt::format("step {}: the evaluation loss is not finite and is left out", tune_.steps()));
        return;
    }
    metrics_->add_evaluation(tune_.steps(), loss);
    events_.evaluation(tune_.steps(), loss);
}

void Run::sample(const std::string& when) {
    const Opened& opened = tune_.opened();
    if (opened.sample_prompt.empty()) return;
    const Model& model = opened.model;
    GenerateSettings settings;
    settings.max_new_tokens = sample_answer_tokens;
    settings.eos_ids = model.text.chat ? model.chat_eos_ids() : model.eos_ids();
    try {
        const Answer answer = tune_.answer(opened.sample_prompt, settings);
        answers_.emplace_back(when, model.tokenizer->decode(answer.ids, DecodeSpecial::skip));
        if (answer.end == AnswerEnd::capacity)
            events_.line(fmt::format("the answer {} training was cut after {} tokens: prompt and answer fill the "
                                     "context of {}",
                                     when, answer.ids.size(), tune_.recipe().context_length));
    } catch (const NotFinite& e) {  // no reason to lose what was trained
        answers_.emplace_back(when, e.what());
    }
}

// The checkpoint comes first: whatever fails after it, nothing that was learnt is lost.
void Run::finish(const std::string& stopped) {
    const std::int64_t done = tune_.steps();
    if (tune_.updates() == 0)
        throw Error(fmt::format("no step of {} changed a weight: every loss or gradient was not finite; there is no "
                                "result; lower {} or look at the data",
                                done, setting("lr")));
    checkpoint();
    if (done == tune_.total_steps()) {
        if (tune_.opened().eval_data && last_evaluation_ != done) evaluate();
        sample("after");
    } else {
        events_.line(fmt::format("stopped {}; the same command goes on from step {}",
                                 stopped.empty() ? "early" : stopped, last_checkpoint_));
    }
    save();
    if (bad_in_a_row_ > 0)
        events_.line(fmt::format("what is saved is of step {}: the {} after it changed nothing", tune_.applied(),
                                 bad_in_a_row_ == 1 ? "step" : fmt::format("{} steps", bad_in_a_row_)));
    if (!metrics_->unwritten().empty())
        throw Error(fmt::format("{}: cannot be written, is the disk full? What was trained is saved: the same command "
                                "goes on from step {}",
                                folder_.metrics().string(), last_checkpoint_));
}

// Of the last update: a skipped step is done again by a run that goes on, so that its streak counts as before.
void Run::checkpoint() {
    if (last_checkpoint_ == tune_.applied()) return;
    checkpoint_hash_ = tune_.checkpoint(folder_.checkpoints(), tune_.recipe().keep, metrics_->unwritten());
    last_checkpoint_ = tune_.applied();
}

void Run::save() {
    if (!folder_.result()) return;
    Result result{*folder_.result(), tune_.applied(), checkpoint_hash_};
    if (!metrics_->unwritten().empty()) result.checkpoint = 0;  // not finished: lines are missing
    try {
        tune_.save(result);
    } catch (const Error& e) {
        throw Error(fmt::format("{}; nothing is lost: the checkpoint of step {} holds what was trained, and the same "
                                "command writes {} from it",
                                e.message(), last_checkpoint_, result.folder.string()));
    }
    saved_ = result.folder;
}

}  // namespace tandem
