#include "tools/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "models/io/json_fields.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

// These change no bits of what is computed.
constexpr const char* harmless[] = {"threads",
                                    "prefetch",
                                    "trace",
                                    "keep",
                                    "checkpoint_every",
                                    "eval_dataset",
                                    "eval_every",
                                    "sample_prompt",
                                    "log_to",
                                    "verbose",
                                    "transport",
                                    "weights_on",
                                    "gpu_memory",
                                    "resume",
                                    "output_dir",
                                    "save_model",
                                    "sharding_strategy",
                                    "use_gradient_checkpointing",
                                    "world_size"};

// max_steps and num_epochs may grow; -1 is without end.
bool grew(const std::string& option, const Json& before, const Json& now) {
    if (option != "max_steps" && option != "num_epochs") return false;
    auto value = [&](const Json& j) {
        const Json* there = j.find(option);
        std::int64_t v = there ? there->integer() : -1;
        return v < 0 ? std::numeric_limits<std::int64_t>::max() : v;
    };
    return value(now) >= value(before);
}

// Cards may change places; a card's kind is the manifest's business.
bool same_kind_of_device(const Json& before, const Json& now) {
    auto on_cpu = [](const Json& j) { return j.at("gpus").array().at(0) == Json("cpu"); };
    return on_cpu(before) == on_cpu(now);
}

void check_options(const TrainRun& run, const OptionSet& set, const Checkpoint& checkpoint) {
    const Manifest& m = checkpoint.manifest;
    Json before = parse_json(m.options, "options"), now = parse_json(run.options_json, "options");
    std::vector<std::string> differ;
    bool other_world = m.world_size != run.world_size();
    for (const std::string& option : set.differences(m.options)) {
        bool allowed = std::find(std::begin(harmless), std::end(harmless), option) != std::end(harmless);
        if (option == "gpus" && (other_world || same_kind_of_device(before, now))) continue;  // the former: see below
        if (!allowed && !grew(option, before, now)) differ.push_back(OptionSet::flag(option));
    }
    if (other_world) differ.push_back(fmt::format("--gpus ({} ranks then)", m.world_size));
    if (differ.empty() && m.data_hash != run.data.hash()) differ.push_back("content of --dataset");
    if (!differ.empty())
        throw InputError(fmt::format("{} was made with another {}; use --resume never or another --output-dir",
                                     checkpoint.folder.string(), fmt::join(differ, ", ")));
}

// Old checkpoints would be taken for this run's; they are set aside, not removed.
void set_aside(const fs::path& root) {
    if (!fs::exists(root)) return;
    for (int i = 1;; i++) {
        fs::path aside = root;
        aside += fmt::format(".before-{}", i);
        if (fs::exists(aside)) continue;
        fs::rename(root, aside);
        return;
    }
}

bool result_exists(const TrainRun& run) {
    if (run.trains_adapter()) return fs::exists(run.options.output_dir / "adapter" / "adapter_config.json");
    return !run.options.save_model || fs::exists(run.options.output_dir / "model" / "config.json");
}

}  // namespace

Resumption find_resumption(TrainRun& run, const OptionSet& set) {
    const std::string& wish = run.options.resume;
    fs::path root = run.options.output_dir / "checkpoints";
    if (wish == "never") {
        set_aside(root);
        return Resumption::fresh;
    }
    if (wish == "auto")
        run.resume = newest_checkpoint(
            root, [](const std::string& why) { fmt::print(stderr, "skipping a checkpoint: {}\n", why); });
    else
        run.resume = open_checkpoint(wish);
    if (!run.resume) return Resumption::fresh;
    check_options(run, set, *run.resume);
    bool done = run.resume->manifest.step >= run.total_steps;
    return done && result_exists(run) ? Resumption::finished : Resumption::resumed;
}

}  // namespace tandem
