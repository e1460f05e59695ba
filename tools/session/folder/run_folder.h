// Everything that a run writes into its output folder, and what must hold before its first step: each name is free or a
// run's own, none is or holds or lies in what the run reads, each folder can be written, and the disk has room.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/session/recipe.h"

namespace tandem {

// What a run reads: folders, and files wherever they really lie.
struct RunInput {
    std::string what;  // "the model", "the data"
    std::filesystem::path path;
};

struct OutputSizes {
    std::uint64_t checkpoint = 0;        // of all ranks' files
    std::uint64_t result = 0;            // of adapter/ or model/
    std::uint64_t largest_file = 0;
    std::int64_t checkpoints = 0;        // that this run will write
    std::int64_t metrics_lines = 0;
    std::uint64_t options = 0;           // of config.json
    bool goes_on = false;                // from what is there, which makes room as new things come
};

class RunFolder {
  public:
    // `config_file`: what the settings were read from, which may be the folder's own config.json.
    RunFolder(const Recipe& recipe, std::optional<std::filesystem::path> config_file);
    ~RunFolder();  // removes the folders that make() made and that nothing was written into
    RunFolder(const RunFolder&) = delete;

    std::filesystem::path config() const { return folder_ / "config.json"; }
    std::filesystem::path metrics() const { return folder_ / "metrics.jsonl"; }
    std::filesystem::path trace() const { return folder_ / "trace.json"; }
    std::filesystem::path checkpoints() const { return folder_ / "checkpoints"; }
    const std::optional<std::filesystem::path>& result() const { return result_; }  // none: the run leaves none

    // InputErrors that name what is in the way.
    void check_names() const;
    void check_apart_from(const std::vector<RunInput>& inputs) const;
    // An Error with the numbers.
    void check_room(const OutputSizes& sizes) const;
    // Makes the folder and tries to write where the run will. An InputError says why it cannot.
    void make();

    void set_checkpoints_aside() const;  // those of another run, or damaged; they are not removed
    void remove_all() const;             // everything that an older run left

  private:
    struct Name;
    std::vector<Name> names() const;
    void check_name(const Name& name) const;
    bool is_run_folder() const;

    std::filesystem::path folder_;
    std::optional<std::filesystem::path> result_, config_file_;
    bool traces_;
    std::int64_t keep_;
    std::vector<std::filesystem::path> made_;
};

}  // namespace tandem
