#include "tools/commands.h"

#include <fmt/format.h>

#include "models/text/dataset/preview.h"
#include "tools/console.h"
#include "tools/demo.h"
#include "tools/log.h"
#include "tools/opening.h"
#include "tools/session/gather_overlap.h"
#include "tools/session/machine.h"
#include "tools/session/run.h"
#include "tools/signals.h"

namespace tandem {

namespace {

std::string plural(std::int64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

void report_data(Console& console, const FineTune& tune) {
    const Opened& opened = tune.opened();
    const BatchShape shape = feed_options(tune.recipe()).shape;
    std::vector<std::pair<std::string, std::string>> data = {
        {"samples", fmt::format("{}, {} supervised tokens, longest {} tokens", opened.data.size(),
                                tune.feed().supervised(), opened.data.largest().length)},
        {"batch", fmt::format("{} = {} x batch {} x accumulation {}", shape.samples(), plural(shape.world, "rank"),
                              shape.batch, shape.accumulation)},
        {"steps", fmt::format("{} in {}", tune.total_steps(), plural(tune.recipe().num_epochs, "epoch"))}};
    const std::string unused = opened.data.unused_keys();
    const std::string unused_in_eval = opened.eval_data ? opened.eval_data->unused_keys() : "";
    if (!unused.empty()) data.push_back({"not used", unused});
    if (!unused_in_eval.empty()) data.push_back({"not used (evaluation)", unused_in_eval});
    console.block("Dataset", data);
}

void report(Console& console, FineTune& tune, const Room& room) {
    const Recipe& r = tune.recipe();
    const Opened& opened = tune.opened();
    for (const std::string& note : opened.notes) console.line(note);
    console.block("Options", {{"model", opened.model.name},
                              {"train type", SettingType<TrainType>::text(r.train_type)},
                              {"precision", SettingType<Precision>::text(r.precision)},
                              {"output", r.output_dir.string()}});
    console.block("System", {{"ranks", r.gpus.text()},
                             {"threads", std::to_string(launch_options(r, opened.params).threads)}});
    report_data(console, tune);
    const std::int64_t trainable = opened.params.trainable_elements(), all = opened.params.elements();
    console.block("Model",
                  {{"weights", fmt::format("{:.2f} M", double(all - (trains_adapter(r) ? trainable : 0)) / 1e6)},
                   {"trained", fmt::format("{:.2f} M ({:.3f} %)", double(trainable) / 1e6,
                                           100.0 * double(trainable) / double(all))}});
    console.planned_memory(tune.plan().memory, room);
    console.coloured("[Sample] " + preview(opened.data[0], opened.model.tokenizer.get(), colour_of(2)));
}

void report_end(Console& console, FineTune& tune, const Run& run, const Trace& trace) {
    console.loss_curve();
    std::vector<std::pair<std::string, std::string>> sample = run.answers();
    if (tune.recipe().sample_prompt) sample.insert(sample.begin(), {"prompt", *tune.recipe().sample_prompt});
    if (!sample.empty()) console.block("Answer", sample);
    console.memory(tune.plan().memory, tune.memory_seen());
    if (trace.on()) console.line(gather_report(trace));
    if (run.saved())
        console.line(
            fmt::format("[Saved] {} {}", trains_adapter(tune.recipe()) ? "adapter" : "model", run.saved()->string()));
}

int say_finished(const Recipe& recipe) {
    log_line(fmt::format("{}: this run is finished; give more --max-steps or --num-epochs, or another --output-dir",
                         recipe.output_dir.string()));
    return 0;
}

}  // namespace

int train(CommandLine& line) {
    TrainOptions o;
    OptionSet set("train", "Fine-tune a model.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    if (o.plan) {
        if (set.given("model") && !set.given("dataset")) o.dataset.clear();
        return say_plan(o, set, PlanAs::text);
    }
    const bool is_demo = line.arguments.empty();
    if (is_demo) prepare_demo(o);
    find_demo(o);
    Trace trace(o.trace);
    FineTune tune(o, set);
    Console console(o.log_to == LogTo::tqdm ? StepLog::bar : StepLog::lines, line.out);
    Run run(tune, console, set.config_file());
    if (run.resumption() == Resumption::finished) return say_finished(o);
    const Room room = room_of(o);
    const std::string elsewhere = tune.settle_places(room);
    report(console, tune, room);
    if (!elsewhere.empty()) console.line("[Memory] so that it fits: " + elsewhere);
    run.require_room(room);
    {
        SignalsLater while_it_is_made;
        run.make_folder();
    }
    run.start(&trace, loading_lines());
    if (run.resumption() == Resumption::finished) return say_finished(o);
    {
        SignalsLater while_they_begin;
        run.begin(is_demo ? Run::Earlier::remove : Run::Earlier::keep);
    }
    if (run.resumption() == Resumption::fresh) run.sample("before");
    finish_steps_first();
    while (!run.is_done() && !stop_requested()) run.step();
    run.finish(stop_requested() ? "by a signal" : "");
    report_end(console, tune, run, trace);
    if (trace.on()) trace.write(run.folder().trace());
    if (console.lost_steps())
        throw Error(
            "stdout did not take every step's line; all of them are in metrics.jsonl, and what was trained is saved");
    return 0;
}

}  // namespace tandem
