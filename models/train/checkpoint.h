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

struct Manifest {
    std::int64_t step = 0, updates = 0;
    int world_size = 0;
    std::uint64_t base_hash = 0;  // of the frozen weights (load_weights)
    std::uint64_t data_hash = 0;  // Dataset::hash
    std::string kernels;          // micro-kernels that computed it: other ones give other bits
    std::string options;          // config.json of the run
    struct File {
        std::string name;
        std::uint64_t bytes, hash;
    };
    std::vector<File> files;  // by rank
};

struct Checkpoint {
    std::filesystem::path folder;
    Manifest manifest;
};

// Collective: every rank writes its part into `root`; then all but the newest `keep` are removed. An Error names the
// file; whatever was there before stays.
void save_checkpoint(const std::filesystem::path& root, const Manifest& manifest, std::int64_t keep, Context& ctx,
                     Collective& ranks, Trainer& trainer);

// One folder, checked: manifest, sizes and hashes. An InputError says what is wrong with it.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

// The newest one in `root` that is whole; `skipped` is told of each newer one that is not.
std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& root,
                                            const std::function<void(const std::string&)>& skipped);

// Puts this rank's masters, states and counters back.
void restore_checkpoint(const Checkpoint& checkpoint, Context& ctx, Trainer& trainer);

}  // namespace tandem
