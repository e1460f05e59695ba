// What a run finds in its folder, and what it will read and write.
#include <fmt/core.h>

#include <algorithm>

#include "runtime/joined.h"
#include "tools/session/folder/path_identity.h"
#include "tools/session/run.h"
#include "tools/session/save_model.h"

namespace tandem {

namespace fs = std::filesystem;

// Settings by their declaration, what they stand for by its hash. The model's weights are compared where they are
// loaded (FineTune::restore).
std::vector<std::string> Run::differences(const Checkpoint& checkpoint) const {
    const RunContent &was = checkpoint.manifest.content, &is = tune_.content();
    std::vector<std::string> differ;
    bool other_type = false;
    for (const std::string& name : tune_.settings().differences(checkpoint.manifest.options)) {
        other_type |= name == "train_type";
        differ.push_back(setting(name));
    }
    const std::string gpus = setting("gpus");
    if (was.targets != is.targets && !other_type) differ.push_back(setting("lora_target_modules"));
    if (was.init_adapter != is.init_adapter && !other_type) differ.push_back("content of " + setting("init_adapter"));
    if (was.world_size != is.world_size) differ.push_back(fmt::format("{} ({} ranks then)", gpus, was.world_size));
    else if (was.on_cards != is.on_cards) differ.push_back(gpus + (was.on_cards ? " (cards then)" : " (cpu then)"));
    if (was.data != is.data && differ.empty())  // other settings change it too
        differ.push_back("content of " + setting("dataset"));
    return differ;
}

bool Run::result_stands() const {
    if (!lies_in(from_->folder, folder_.checkpoints())) return false;
    return !folder_.result() || is_published({*folder_.result(), from_->manifest.step, from_->manifest.hash});
}

void Run::find_resumption() {
    const ResumeFrom& wish = tune_.recipe().resume;
    if (wish.kind == ResumeFrom::Kind::never) return;
    if (wish.kind == ResumeFrom::Kind::newest)
        from_ = newest_checkpoint(folder_.checkpoints(),
                                  [&](const std::string& why) { events_.line("skipping a checkpoint: " + why); });
    else
        from_ = open_checkpoint(wish.folder);
    if (!from_) return;
    if (const std::vector<std::string> differ = differences(*from_); !differ.empty())
        throw InputError(fmt::format("{} was made with another {}; use {} never or another {}", from_->folder.string(),
                                     joined(differ), setting("resume"), setting("output_dir")));
    resumption_ = Resumption::resumed;
    if (from_->manifest.step < tune_.total_steps() || !result_stands()) return;
    const bool same_files = from_->manifest.model_files == tune_.model_files();
    resumption_ = same_files ? Resumption::finished : Resumption::to_compare;
}

// Folders and files that must not be written to, the targets of links in the folders included.
std::vector<RunInput> Run::inputs() const {
    const Recipe& r = tune_.recipe();
    std::vector<RunInput> inputs;
    auto add_folder = [&](const std::string& what, const fs::path& folder) {
        inputs.push_back({what, folder});
        std::error_code unreadable;
        for (const fs::directory_entry& e : fs::directory_iterator(folder, unreadable))
            if (e.is_symlink(unreadable)) inputs.push_back({what, e.path()});
    };
    if (!r.dataset.empty()) inputs.push_back({setting("dataset"), r.dataset});
    if (r.eval_dataset) inputs.push_back({setting("eval_dataset"), *r.eval_dataset});
    if (r.init_adapter) add_folder(setting("init_adapter"), *r.init_adapter);
    if (const fs::path& folder = tune_.opened().model.folder; !folder.empty()) add_folder("the model", folder);
    return inputs;
}

OutputSizes Run::output_sizes() {
    const Recipe& r = tune_.recipe();
    const Opened& opened = tune_.opened();
    OutputSizes sizes;
    for (std::uint64_t bytes : tune_.plan().checkpoint_bytes) {
        sizes.checkpoint += bytes;
        sizes.largest_file = std::max(sizes.largest_file, bytes);
    }
    if (folder_.result())
        sizes.result = trains_adapter(r) ? saved_adapter_bytes(opened.adapter, opened.params)
                                         : saved_model_bytes(opened.model, opened.params);
    sizes.largest_file = std::max(sizes.largest_file, sizes.result);
    const std::int64_t begin = from_ ? from_->manifest.step : 0;
    const std::int64_t steps = std::max<std::int64_t>(0, tune_.total_steps() - begin);
    sizes.checkpoints = (r.checkpoint_every > 0 ? steps / r.checkpoint_every : 0) + 1;
    sizes.metrics_lines = steps;
    sizes.options = tune_.settings().json().size();
    sizes.goes_on = from_.has_value();
    return sizes;
}

}  // namespace tandem
