// The weights of a model as one set of named tensors: a folder with model.safetensors or with an index and its shards,
// or a single safetensors file.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/io/safetensors.h"

namespace tandem {

using WeightMap = std::map<std::string, std::string>;  // tensor -> the shard's file, as an index has it

class CheckpointFiles {
  public:
    // Opens every shard that the index names and checks it against them; an InputError names the file at fault. Of a
    // tensor in several shards that one counts where the index places it.
    static CheckpointFiles open(const std::filesystem::path& folder_or_file);

    const TensorInfo* find(std::string_view name) const;  // null: no shard has it
    const TensorInfo& get(std::string_view name) const;   // an InputError where no shard has it
    // As get(), and an InputError if it has other sizes.
    const TensorInfo& get(std::string_view name, std::span<const std::int64_t> dims) const;

    std::span<const std::byte> bytes(const TensorInfo& tensor) const { return shard(tensor).bytes(tensor); }
    void drop(const TensorInfo& tensor) const { shard(tensor).drop(tensor); }
    const std::filesystem::path& file_of(const TensorInfo& tensor) const { return shard(tensor).path(); }

    std::vector<const TensorInfo*> tensors() const;  // of all shards, sorted by name

    const std::filesystem::path& path() const { return path_; }
    const std::vector<SafetensorsFile>& shards() const { return shards_; }

  private:
    struct Place {
        std::size_t shard;
        const TensorInfo* tensor;
    };
    void add(SafetensorsFile file, const WeightMap* index = nullptr);
    const SafetensorsFile& shard(const TensorInfo& tensor) const;

    std::filesystem::path path_;
    std::vector<SafetensorsFile> shards_;
    std::unordered_map<std::string_view, Place> places_;  // names live in the shards
};

// Whether the folder has model.safetensors, or an index and every shard it names. Reads no shard.
bool weights_complete(const std::filesystem::path& folder);

}  // namespace tandem
