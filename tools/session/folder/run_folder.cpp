#include "tools/session/folder/run_folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>

#include "models/io/files.h"
#include "models/train/checkpoint.h"
#include "tools/session/folder/disk_room.h"
#include "tools/session/folder/path_identity.h"
#include "tools/session/folder/result_record.h"
#include "tools/session/room/room.h"
#include "tools/session/save_model.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view config_begin = "{\n    \"model\": ";  // OptionSet::json, of train's options
std::string cure() { return "move it away or give another " + setting("output_dir"); }

fs::path with(const fs::path& path, const char* suffix) {
    fs::path longer = path;
    longer += suffix;
    return longer;
}

// What a killed run left may end early.
bool begins_with(const fs::path& file, std::string_view begin) {
    std::ifstream in(file, std::ios::binary);
    std::string text(begin.size(), '\0');
    in.read(text.data(), std::streamsize(text.size()));
    return begin.starts_with(std::string_view(text).substr(0, std::size_t(in.gcount())));
}

[[noreturn]] void in_the_way(const fs::path& path, const std::string& why) {
    throw InputError(fmt::format("{} is in the way: {}; {}", path.string(), why, cure()));
}

// By a file that goes again: permissions alone do not tell (root, read-only and immutable places). Under a name that is
// a run's own in this folder, for a run killed in between leaves it.
void try_writing(const fs::path& folder, const char* name) {
    try {
        OutputFile trial(folder / name);
    } catch (const Error& e) {
        throw InputError(fmt::format(
            "{}; what the run leaves could not be saved: give an {} that can be written", e.message(),
            setting("output_dir")));
    }
}

}  // namespace

// A path that a run writes.
struct RunFolder::Name {
    enum class Kind { file, checkpoints, result };
    fs::path path;
    Kind kind;
    std::string_view begin = {};  // of a file that a run wrote
};

RunFolder::RunFolder(const Recipe& r, std::optional<fs::path> config_file)
    : folder_(r.output_dir), config_file_(std::move(config_file)), traces_(r.trace), keep_(r.keep) {
    if (r.train_type != TrainType::full) result_ = folder_ / "adapter";
    else if (r.save_model) result_ = folder_ / "model";
}

RunFolder::~RunFolder() {
    std::error_code not_empty;  // what holds something stays
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, not_empty);
}

std::vector<RunFolder::Name> RunFolder::names() const {
    std::vector<Name> all;
    auto add_file = [&](const fs::path& path, std::string_view begin) {
        all.push_back({path, Name::Kind::file, begin});
        all.push_back({with(path, ".partial"), Name::Kind::file, begin});
    };
    add_file(config(), config_begin);
    add_file(metrics(), "{\"step\":");
    add_file(folder_ / result_record_name, "{\n \"result\":");
    if (traces_) all.push_back({trace(), Name::Kind::file, "{\"traceEvents\":["});
    all.push_back({checkpoints(), Name::Kind::checkpoints});
    if (result_)
        for (const char* suffix : {"", ".partial", ".old"})
            all.push_back({with(*result_, suffix), Name::Kind::result});
    return all;
}

bool RunFolder::is_run_folder() const {
    return fs::is_regular_file(config()) && begins_with(config(), config_begin);
}

void RunFolder::check_names() const {
    if (is_there(folder_) && !fs::is_directory(folder_)) in_the_way(folder_, "it is no folder");
    for (const Name& name : names())
        if (is_there(name.path)) check_name(name);
}

void RunFolder::check_name(const Name& name) const {
    if (name.kind == Name::Kind::file) {
        if (!fs::is_regular_file(fs::symlink_status(name.path))) in_the_way(name.path, "it is no plain file");
        bool given = config_file_ && lies_in(name.path, *config_file_);
        if (!given && !begins_with(name.path, name.begin)) in_the_way(name.path, "no run of this program wrote it");
        return;
    }
    if (!fs::is_directory(name.path)) in_the_way(name.path, "it is no folder");
    if (name.kind == Name::Kind::checkpoints) {
        for (const fs::path& foreign : checkpoint_folders(name.path).foreign)
            in_the_way(foreign, "it is no part of a checkpoint and would be lost with it");
        return;
    }
    if (fs::is_symlink(name.path)) in_the_way(name.path, "it is a link, which the result would replace");
    for (const fs::directory_entry& e : fs::directory_iterator(name.path)) {
        if (!is_run_folder()) in_the_way(name.path, "no run of this program wrote it");
        if (!is_result_file(e.path())) in_the_way(e.path(), "it is no part of a result and would be lost with it");
    }
}

void RunFolder::check_apart_from(const std::vector<RunInput>& inputs) const {
    for (const Name& name : names())
        for (const RunInput& input : inputs) {
            bool inside = lies_in(name.path, input.path);
            if (inside || lies_in(input.path, name.path))
                throw InputError(fmt::format("{} {}: the run would write {}, which {} {} ({}); give a folder apart "
                                             "from what is read",
                                             setting("output_dir"), folder_.string(), name.path.string(),
                                             inside ? "is or lies in" : "holds", input.what, input.path.string()));
        }
}

void RunFolder::check_room(const OutputSizes& sizes) const {
    constexpr std::uint64_t line = 320;  // most bytes of a line of metrics.jsonl, about
    std::uint64_t old_metrics = is_there(metrics()) ? fs::file_size(metrics()) : 0;
    std::uint64_t new_metrics = line * std::uint64_t(sizes.metrics_lines) + (sizes.goes_on ? old_metrics : 0);
    std::uint64_t checkpoint = on_disk(sizes.checkpoint) + on_disk(2 * sizes.options) + on_disk(1);
    // Those that are there go as new ones come, but the first comes before any goes.
    std::uint64_t there = sizes.goes_on ? bytes_below(checkpoints()) : 0;
    std::uint64_t most = checkpoint * std::uint64_t(std::min(keep_ + 1, sizes.checkpoints));
    if (there > 0) most = checkpoint * std::uint64_t(keep_ + 1);
    std::uint64_t first = sizes.checkpoints > 0 ? checkpoint : 0;
    most = std::max(first, most - std::min(most, there));
    std::uint64_t partial = result_ ? bytes_below(with(*result_, ".partial")) : 0, result = on_disk(sizes.result);
    std::uint64_t files = on_disk(sizes.options) + 2 * on_disk(1);
    check_disk_room({{fmt::format("checkpoints of {} each", size_text(checkpoint)), checkpoints(), most},
                     {"the result", folder_, result - std::min(result, partial)},
                     {"metrics and options", folder_, on_disk(new_metrics) + files}});
    check_file_limit(result_.value_or(checkpoints()), sizes.largest_file);
    check_file_limit(metrics(), new_metrics);
}

void RunFolder::make() {
    std::vector<fs::path> missing;
    for (fs::path p = fs::absolute(folder_).lexically_normal(); !is_there(p); p = p.parent_path()) missing.push_back(p);
    for (auto p = missing.rbegin(); p != missing.rend(); ++p) {
        if (!p->has_filename()) continue;  // what a slash at the end leaves
        std::error_code failure;
        fs::create_directory(*p, failure);
        if (failure)
            throw InputError(fmt::format("{} {} cannot be made: {}; give a folder that can be written",
                                         setting("output_dir"), folder_.string(), failure.message()));
        made_.push_back(*p);
    }
    try_writing(folder_, "config.json");
    if (is_there(checkpoints())) try_writing(checkpoints(), "trial");
    for (const fs::path& step : checkpoint_folders(checkpoints()).folders) try_writing(step, "manifest.json");
    if (result_ && is_there(*result_))
        try_writing(*result_, result_->filename() == "adapter" ? "adapter_config.json" : "config.json");
}

void RunFolder::set_checkpoints_aside() const {
    if (checkpoint_folders(checkpoints()).folders.empty()) return;
    for (int i = 1;; i++) {
        fs::path aside = with(checkpoints(), fmt::format(".before-{}", i).c_str());
        if (is_there(aside)) continue;
        fs::rename(checkpoints(), aside);
        return;
    }
}

void RunFolder::remove_all() const {
    for (const Name& name : names()) {
        if (name.kind != Name::Kind::checkpoints) fs::remove_all(name.path);
        else
            for (const fs::path& step : checkpoint_folders(name.path).folders) fs::remove_all(step);
    }
}

}  // namespace tandem
