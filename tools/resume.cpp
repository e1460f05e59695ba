#include "tools/resume.h"

#include <fmt/format.h>

#include "tools/log.h"
#include "tools/path_identity.h"
#include "tools/result_record.h"

namespace tandem {

namespace {

// Options by their declaration, what they stand for by its hash. The model's weights are compared where they are loaded
// (TrainRank::restore).
void check_same_run(const TrainRun& run, const OptionSet& set, const Checkpoint& checkpoint) {
    const RunContent &was = checkpoint.manifest.content, &is = run.content;
    std::vector<std::string> differ;
    bool other_type = false;
    for (const std::string& option : set.differences(checkpoint.manifest.options)) {
        other_type |= option == "train_type";
        differ.push_back(OptionSet::flag(option));
    }
    if (was.targets != is.targets && !other_type) differ.push_back("--lora-target-modules");
    if (was.init_adapter != is.init_adapter && !other_type) differ.push_back("content of --init-adapter");
    if (was.world_size != is.world_size) differ.push_back(fmt::format("--gpus ({} ranks then)", was.world_size));
    else if (was.on_cards != is.on_cards) differ.push_back(was.on_cards ? "--gpus (cards then)" : "--gpus (cpu then)");
    if (was.data != is.data && differ.empty()) differ.push_back("content of --dataset");  // other options change it too
    if (!differ.empty())
        throw InputError(fmt::format("{} was made with another {}; use --resume never or another --output-dir",
                                     checkpoint.folder.string(), fmt::join(differ, ", ")));
}

bool result_stands(const TrainRun& run) {
    const Checkpoint& c = *run.resume;
    if (!lies_in(c.folder, run.outputs->checkpoints())) return false;
    return !run.outputs->result() || is_published({*run.outputs->result(), c.manifest.step, c.manifest.hash});
}

}  // namespace

void find_resumption(TrainRun& run, const OptionSet& set) {
    const std::string& wish = run.options.resume;
    if (wish == "never" || run.is_demo) return;
    if (wish == "auto")
        run.resume = newest_checkpoint(run.outputs->checkpoints(), [](const std::string& why) {
            log_line("skipping a checkpoint: " + why);
        });
    else
        run.resume = open_checkpoint(wish);
    if (!run.resume) return;
    check_same_run(run, set, *run.resume);
    run.resumption = Resumption::resumed;
    if (run.resume->manifest.step < run.total_steps || !result_stands(run)) return;
    bool same_files = run.resume->manifest.model_files == run.model_files;
    run.resumption = same_files ? Resumption::finished : Resumption::to_compare;
}

}  // namespace tandem
