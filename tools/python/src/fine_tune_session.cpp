#include "tools/python/src/fine_tune_session.h"

#include "tools/session/machine.h"

namespace tandem::python {

class FineTuneSession::Events : public RunEvents {
  public:
    void line(const std::string& text) override { notes.push_back(text); }
    void step(const StepMetrics& step, std::int64_t) override { now.step = step; }
    void evaluation(std::int64_t, double loss) override { now.eval_loss = loss; }

    std::vector<std::string> notes;
    Metrics now;
};

namespace {

Dataset read_records(const std::vector<std::string>& records, const Recipe& recipe, const Model& model) {
    const DatasetOptions options{recipe.context_length, model.config.vocab, recipe.truncate};
    Dataset data;
    for (const std::string& record : records) {
        try {
            const Sample sample = read_sample(record, model.text_tools(), options);
            data.append({sample.ids, sample.labels});
            data.count_unused(sample.unused);
        } catch (const InputError& e) {
            throw InputError("dataset[" + std::to_string(data.size()) + "]: " + e.message(), e.where());
        }
    }
    if (data.size() == 0) throw InputError(setting("dataset") + " expected samples, got none");
    return data;
}

}  // namespace

FineTuneSession::FineTuneSession(const Given& given) : events_(std::make_unique<Events>()) {
    declare(settings_, recipe_);
    settings_.set_all(given.arguments);
    in_folder_ = settings_.given("output_dir");
    recipe_.answers = given.answers;
    check_without_folder();
    MakeData data;
    if (given.records)
        data = [&](const Model& model) { return read_records(*given.records, recipe_, model); };
    tune_ = std::make_unique<FineTune>(recipe_, settings_, data);
    if (given.loss) tune_->use_loss(given.loss);
    events_->notes = tune_->opened().notes;
    if (std::string unused = tune_->opened().data.unused_keys(); !unused.empty())
        events_->notes.push_back("[Dataset] not used: " + unused);
    if (!in_folder_) return;
    trace_ = std::make_unique<Trace>(recipe_.trace);
    run_ = std::make_unique<Run>(*tune_, *events_);
    finished_ = run_->resumption() == Resumption::finished;
}

FineTuneSession::~FineTuneSession() = default;

// What only a folder can hold, and what only a run in a folder does.
void FineTuneSession::check_without_folder() const {
    if (in_folder_) return;
    for (const char* name :
         {"save_model", "resume", "checkpoint_every", "keep", "eval_every", "sample_prompt", "trace"})
        if (settings_.given(name))
            throw InputError(setting(name) + " needs " + setting("output_dir") + ": without it nothing is written");
}

FineTune& FineTuneSession::tune() const {
    if (!tune_) throw Error("[fine-tune] expected an open session, got one that was closed; make another");
    return *tune_;
}

std::int64_t FineTuneSession::total_steps() const { return tune().total_steps(); }
std::int64_t FineTuneSession::steps() const { return tune().steps(); }

std::vector<std::string> FineTuneSession::take_notes() {
    const auto lock = guard_.lock();
    return std::exchange(events_->notes, {});
}

std::vector<std::pair<std::string, std::string>> FineTuneSession::samples() {
    const auto lock = guard_.lock();
    return run_ ? run_->answers() : std::vector<std::pair<std::string, std::string>>();
}

TrainPlan FineTuneSession::plan() {
    const auto lock = guard_.lock();
    tune().settle_places(room_of(tune().recipe()));  // as start() will
    return tune().plan();
}

void FineTuneSession::start() {
    const auto lock = guard_.lock();
    start_now();
}

void FineTuneSession::start_now() {
    FineTune& tune = this->tune();
    if (started_ || finished_) return;
    if (!run_) {
        tune.start();
    } else {
        run_->require_room(room_of(recipe_));
        run_->make_folder();
        run_->start(trace_.get());
        finished_ = run_->resumption() == Resumption::finished;
        if (!finished_) run_->begin();
        if (run_->resumption() == Resumption::fresh) run_->sample("before");
    }
    started_ = true;
}

FineTuneSession::Metrics FineTuneSession::step() {
    events_->now = {};
    if (run_) run_->step();
    else events_->now.step = tune_->step();
    events_->now.skipped = tune_->applied() < tune_->steps();
    return events_->now;
}

std::optional<FineTuneSession::Metrics> FineTuneSession::next() {
    const auto lock = guard_.lock();
    if (kept_) return std::exchange(kept_, std::nullopt);
    start_now();
    const bool is_done = finished_ || (run_ ? run_->is_done() : tune_->steps() >= tune_->total_steps());
    if (!is_done) return step();
    finish_now("");
    return std::nullopt;
}

void FineTuneSession::keep(const Metrics& metrics) {
    const auto lock = guard_.lock();
    kept_ = metrics;
}

void FineTuneSession::finish_now(const std::string& stopped) {
    if (!finished_ && run_) {
        run_->finish(stopped);
        if (trace_->on()) trace_->write(run_->folder().trace());
    }
    finished_ = true;
}

void FineTuneSession::finish() {
    const auto lock = guard_.lock();
    if (!run_) throw InputError("[fine-tune] expected " + setting("output_dir") + ", got none; use save() instead");
    start_now();
    finish_now("by finish()");
}

double FineTuneSession::evaluate() {
    const auto lock = guard_.lock();
    start_now();
    return tune_->evaluate();
}

std::string FineTuneSession::answer(const std::string& prompt, const GenerateSettings& wanted) {
    const auto lock = guard_.lock();
    const Model& model = tune().opened().model;
    const TextTools* tools = model.text_tools();
    if (!tools) throw InputError("[fine-tune] expected tokenizer.json in " + model.name + ", got none");
    const std::vector<std::int32_t> ids = encode_prompt(*tools, prompt);
    GenerateSettings settings = wanted;
    settings.eos_ids = tools->chat ? model.chat_eos_ids() : model.eos_ids();
    start_now();
    return tools->tokenizer->decode(tune_->answer(ids, settings).ids, DecodeSpecial::skip);
}

void FineTuneSession::save(const std::string& folder) {
    const auto lock = guard_.lock();
    start_now();
    tune_->save(std::filesystem::path(folder));
}

std::string FineTuneSession::checkpoint(const std::string& root, std::int64_t keep) {
    if (keep < 1) throw InputError(setting("keep") + " expected an integer >= 1, got " + std::to_string(keep));
    const auto lock = guard_.lock();
    start_now();
    tune_->checkpoint(root, keep);
    return (std::filesystem::path(root) / checkpoint_name(tune_->applied())).string();
}

void FineTuneSession::restore(const std::string& folder) {
    if (run_) throw InputError("[fine-tune] expected no " + setting("output_dir") + "; use " + setting("resume"));
    const auto lock = guard_.lock();
    start_now();
    tune_->restore(open_checkpoint(folder));
    kept_.reset();
}

void FineTuneSession::close() {
    const auto lock = guard_.lock();
    run_.reset();
    tune_.reset();
}

}  // namespace tandem::python
