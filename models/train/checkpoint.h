// Checkpoints: step-NNNNNN/ with one safetensors file a rank (its ranges of masters and optimizer states) and a
// manifest, written last, with the size and hash of each. A folder has its name only when all of it is on disk.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/train/trainer.h"

namespace tandem {

// What a run works on, by content: under whatever names, only a run on the same goes on from a checkpoint.
struct RunContent {
    std::uint64_t data = 0;          // Dataset::hash
    std::uint64_t targets = 0;       // the names of the modules that are adapted
    std::uint64_t init_adapter = 0;  // its values; 0: none
    bool on_cards = false;
    int world_size = 0;
    bool operator==(const RunContent&) const = default;
};

struct Manifest {
    std::int64_t step = 0, updates = 0;
    RunContent content;
    std::uint64_t base_hash = 0;    // of the model's shape and weights, as they are held
    std::uint64_t model_files = 0;  // of their names, sizes and times: equal ones need not be read to be compared
    std::string kernels;            // micro-kernels that computed it: other ones give other bits
    std::vector<std::string> lines;  // of metrics.jsonl, where they could not be written there
    std::string options;          // config.json of the run
    struct File {
        std::string name;
        std::uint64_t bytes, hash;
    };
    std::vector<File> files;  // by rank
    std::uint64_t hash = 0;   // of all the above, which the files' hashes are part of: the checkpoint's identity
};

struct Checkpoint {
    std::filesystem::path folder;
    Manifest manifest;
};

std::string checkpoint_name(std::int64_t step);  // "step-000012"

// Collective: every rank writes its part into `root`; then all but the newest `keep` are removed. An Error names the
// file, or the unit whose weights are not finite; whatever was there before stays. Returns Manifest::hash on rank 0.
std::uint64_t save_checkpoint(const std::filesystem::path& root, const Manifest& manifest, std::int64_t keep,
                              Context& ctx,
                     Collective& ranks, Trainer& trainer);

// Bytes of the file that this rank writes.
std::uint64_t checkpoint_bytes(Context& ctx, Trainer& trainer);

// What is in `root` under names of checkpoints, half-written and older ones too. `foreign`: of these, what is no part
// of any and would be lost with it.
struct CheckpointFolders {
    std::vector<std::filesystem::path> folders, foreign;
};
CheckpointFolders checkpoint_folders(const std::filesystem::path& root);

// One folder, checked: manifest, sizes and hashes. An InputError says what is wrong with it.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

// The newest one in `root` that is whole; `skipped` is told of each newer one that is not.
std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& root,
                                            const std::function<void(const std::string&)>& skipped);

// Puts this rank's masters, states and counters back.
void restore_checkpoint(const Checkpoint& checkpoint, Context& ctx, Trainer& trainer);

}  // namespace tandem
