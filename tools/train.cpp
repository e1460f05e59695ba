#include "tools/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/text/dataset/preview.h"
#include "models/train/check_weights.h"
#include "tools/demo.h"
#include "tools/inference.h"
#include "tools/log.h"
#include "tools/output_lock.h"
#include "tools/gather_overlap.h"
#include "tools/resume.h"
#include "tools/run_content.h"
#include "tools/save_model.h"
#include "tools/signals.h"
#include "tools/train_room.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::string plural(std::int64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

Dataset open_data(const std::string& name, const TrainRun& run, std::optional<std::int64_t> samples) {
    DatasetOptions o{run.options.context_length, run.model.config.vocab, run.options.truncate, samples};
    return read_dataset(data_file(name), run.model.text_tools(), o);
}

// By name, sorted; which layers' is the adapter's own matter.
std::vector<std::string> adapted_projections(const Adapter& adapter) {
    std::vector<std::string> names;
    for (const std::string& name : projection_names())
        for (const AdapterModule& m : adapter.modules())
            if (m.path.ends_with("." + name)) {
                names.push_back(name);
                break;
            }
    std::ranges::sort(names);
    return names;
}

// The options of LoRA: an initial adapter's own are the defaults, and nothing may contradict them.
AdapterConfig adapter_config(TrainRun& run, const OptionSet& set) {
    TrainOptions& o = run.options;
    LoraSpec lora{int(o.lora_rank), o.lora_alpha, o.lora_dropout, o.use_rslora, target_modules(o)};
    if (!run.init_adapter) return {lora, false, o.model};
    AdapterConfig init = run.init_adapter->config();
    const LoraSpec& spec = init.lora;
    std::vector<std::string> contradictions;
    auto agree = [&](const char* name, auto& mine, const auto& theirs) {
        if (set.given(name) && mine != theirs) contradictions.push_back(OptionSet::flag(name));
        mine = theirs;
    };
    agree("lora_rank", o.lora_rank, std::int64_t(spec.rank));
    agree("lora_alpha", o.lora_alpha, spec.alpha);
    agree("use_rslora", o.use_rslora, spec.rslora);
    o.lora_target_modules = target_modules(o);
    agree("lora_target_modules", o.lora_target_modules, adapted_projections(*run.init_adapter));
    if (!contradictions.empty())
        throw InputError(fmt::format(
            "{} {} the adapter in {}; leave it out or start without --init-adapter", fmt::join(contradictions, ", "),
            contradictions.size() == 1 ? "contradicts" : "contradict", o.init_adapter->string()));
    init.lora.dropout = o.lora_dropout;
    init.base_model = o.model;
    return init;
}

Params make_run_params(const TrainRun& run) {
    ParamSetup setup;
    setup.compute = compute_type(run.options.precision);
    setup.quant = base_quant(run.model, run.options);
    setup.train_base = !run.trains_adapter();
    if (setup.train_base && setup.quant)
        throw InputError(fmt::format("{} is quantized; --train-type full needs a dense checkpoint", run.model.name));
    if (run.trains_adapter()) setup.lora = run.adapter.lora;
    if (run.init_adapter) setup.lora->modules = lora_spec(*run.init_adapter).modules;
    return make_params(run.model.config, setup);
}

void check_context(const TrainRun& run) {
    check_window(run.model, run.data.largest().length, "a sample");
    if (run.eval_data) check_window(run.model, run.eval_data->largest().length, "an evaluation sample");
    std::int64_t answered = std::int64_t(run.sample_prompt.size()) + sample_answer_tokens;
    if (run.options.sample_prompt)
        check_window(run.model, std::min(run.options.context_length, answered), "the sample prompt with its answer");
}

std::vector<std::int32_t> prompt_ids(const TrainRun& run) {
    if (!run.options.sample_prompt) return {};
    const TextTools* text = run.model.text_tools();
    if (!text) throw InputError(fmt::format("--sample-prompt needs a tokenizer, and {} has none", run.model.name));
    if (!text->chat) log_line("--sample-prompt is taken as plain text: " + text->no_chat);
    return encode_prompt(*text, *run.options.sample_prompt);
}

// Everything that can be wrong with the input is found here, before anything runs.
void open_run(TrainRun& run, const OptionSet& set) {
    TrainOptions& o = run.options;
    run.model = open_model(o, o.chat_template);
    if (o.init_adapter) run.init_adapter = open_adapter(*o.init_adapter);
    if (run.trains_adapter()) run.adapter = adapter_config(run, set);
    run.params = make_run_params(run);
    if (run.model.weights) check_weights(run.model.config, run.params, *run.model.weights);
    if (run.init_adapter) check_adapter(run.params, *run.init_adapter);
    run.data = open_data(o.dataset, run, o.dataset_samples);
    if (o.eval_dataset) run.eval_data = open_data(*o.eval_dataset, run, std::nullopt);
    run.sample_prompt = prompt_ids(run);
    check_context(run);
    run.total_steps = DataFeed(run.data, run.feed()).steps().total_steps(o.num_epochs, o.max_steps);
    run.stores.resize(std::size_t(run.world_size()));
    run.options_json = set.json();
    run.content = run_content(run);
    run.model_files = model_files_hash(run.model);
}

// Folders and files that must not be written to, the targets of links in the folders included.
std::vector<RunInput> inputs_of(const TrainRun& run) {
    std::vector<RunInput> inputs{{"--dataset", data_file(run.options.dataset)}};
    auto add_folder = [&](const char* what, const fs::path& folder) {
        inputs.push_back({what, folder});
        std::error_code unreadable;
        for (const fs::directory_entry& e : fs::directory_iterator(folder, unreadable))
            if (e.is_symlink(unreadable)) inputs.push_back({what, e.path()});
    };
    if (run.options.eval_dataset) inputs.push_back({"--eval-dataset", data_file(*run.options.eval_dataset)});
    if (run.options.init_adapter) add_folder("--init-adapter", *run.options.init_adapter);
    if (!run.model.folder.empty()) add_folder("the model", run.model.folder);
    return inputs;
}

OutputSizes output_sizes(const TrainRun& run) {
    const TrainOptions& o = run.options;
    OutputSizes sizes;
    for (std::uint64_t bytes : run.checkpoint_bytes) {
        sizes.checkpoint += bytes;
        sizes.largest_file = std::max(sizes.largest_file, bytes);
    }
    if (run.outputs->result())
        sizes.result = run.trains_adapter() ? saved_adapter_bytes(run.adapter, run.params)
                                            : saved_model_bytes(run.model, run.params);
    sizes.largest_file = std::max(sizes.largest_file, sizes.result);
    std::int64_t steps = std::max<std::int64_t>(0, run.total_steps - run.start_step());
    sizes.checkpoints = (o.checkpoint_every > 0 ? steps / o.checkpoint_every : 0) + 1;
    sizes.metrics_lines = steps;
    sizes.options = run.options_json.size();
    sizes.goes_on = run.resume.has_value();
    return sizes;
}

void report(Console& console, const TrainRun& run, const MemoryNeed& need, const Room& room, int threads) {
    const TrainOptions& o = run.options;
    for (const std::string& note : run.model.notes) console.line("[Model] " + note);
    console.block("Options", {{"model", run.model.name},
                              {"train type", OptionType<TrainType>::text(o.train_type)},
                              {"precision", o.precision == Precision::bf16 ? "bf16" : "fp32"},
                              {"output", o.output_dir.string()}});
    console.block("System",
                  {{"ranks", fmt::format("{}", fmt::join(o.gpus, ","))}, {"threads", std::to_string(threads)}});
    DataFeed feed(run.data, run.feed());
    DataFeed::Options f = run.feed();
    std::vector<std::pair<std::string, std::string>> data = {
        {"samples", fmt::format("{}, {} supervised tokens, longest {} tokens", run.data.size(), feed.supervised(),
                                run.data.largest().length)},
        {"batch", fmt::format("{} = {} x batch {} x accumulation {}", f.shape.samples(), plural(f.shape.world, "rank"),
                              f.shape.batch, f.shape.accumulation)},
        {"steps", fmt::format("{} in {}", run.total_steps, plural(o.num_epochs, "epoch"))}};
    std::string unused = run.data.unused_keys(), unused_in_eval = run.eval_data ? run.eval_data->unused_keys() : "";
    if (!unused.empty()) data.push_back({"not used", unused});
    if (!unused_in_eval.empty()) data.push_back({"not used (evaluation)", unused_in_eval});
    console.block("Dataset", data);
    std::int64_t trainable = run.params.trainable_elements(), all = run.params.elements();
    console.block("Model",
                  {{"weights", fmt::format("{:.2f} M", double(all - (run.trains_adapter() ? trainable : 0)) / 1e6)},
                   {"trained", fmt::format("{:.2f} M ({:.3f} %)", double(trainable) / 1e6,
                                           100.0 * double(trainable) / double(all))}});
    console.planned_memory(need, room);
    console.coloured("[Sample] " + preview(run.data[0], run.model.tokenizer.get(), colour_of(2)));
}

void report_end(Console& console, const TrainRun& run, const MemoryNeed& need, const Trace& trace) {
    console.loss_curve();
    std::vector<std::pair<std::string, std::string>> sample = run.answers;
    if (run.options.sample_prompt) sample.insert(sample.begin(), {"prompt", *run.options.sample_prompt});
    if (!sample.empty()) console.block("Answer", sample);
    console.memory(need, run.peaks);
    if (trace.on()) console.line(gather_report(trace));
    if (run.saved)
        console.line(fmt::format("[Saved] {} {}", run.trains_adapter() ? "adapter" : "model", run.saved->string()));
}

int say_finished(const TrainRun& run) {
    log_line(fmt::format("{}: this run is finished; give more --max-steps or --num-epochs, or another --output-dir",
                         run.options.output_dir.string()));
    return 0;
}

}  // namespace

int train(CommandLine& line) {
    TrainRun run;
    OptionSet set("train", "Fine-tune a model.");
    if (read_options(run.options, set, line) == OptionSet::Parsed::help) return print_help(set);
    run.is_demo = line.arguments.empty();
    if (run.is_demo) prepare_demo(run.options);
    open_run(run, set);
    OutputLock lock;
    lock.take(run.options.output_dir);
    run.outputs = std::make_unique<RunOutputs>(run.options, set.config_file());
    find_resumption(run, set);
    if (run.resumption == Resumption::finished) return say_finished(run);
    run.outputs->check_apart_from(inputs_of(run));
    run.outputs->check_names();
    Console console(run.options.log_to == LogTo::tqdm ? StepLog::bar : StepLog::lines, line.out);
    Trace trace(run.options.trace);
    LaunchOptions l = launch_options(run.options, run.params);
    l.trace = &trace;
    l.transport = run.options.transport;
    const MemoryNeed need = plan_training(run, l);
    const Room room = room_of(run.options);
    report(console, run, need, room, l.threads);
    check_room(run, need, room);
    run.outputs->check_room(output_sizes(run));
    {
        SignalsLater while_it_is_made;
        run.outputs->make();
    }
    lock.take(run.options.output_dir);
    run.mirror = make_mirror(run.options, run.params);
    l.plans = run.memory;
    l.recompute_plan = &run.recompute;
    launch(l, [&](Rank& rank) {
        TrainRank(run, rank, rank.context().rank() == 0 ? &console : nullptr).train();
    });
    if (run.resumption == Resumption::to_compare) return say_finished(run);
    report_end(console, run, need, trace);
    if (trace.on()) trace.write(run.outputs->trace());
    if (console.lost_steps())
        throw Error(
            "stdout did not take every step's line; all of them are in metrics.jsonl, and what was trained is saved");
    return 0;
}

}  // namespace tandem
