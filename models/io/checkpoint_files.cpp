#include "models/io/checkpoint_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "models/io/files.h"
#include "models/io/json_fields.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

struct Index {
    WeightMap weight_map;
    std::map<std::string, bool> shards;             // -> whether its file is there
};

Index read_index(const fs::path& path) {
    Json json = parse_json_file(path);
    JsonFields fields(json, path.string());
    JsonFields weights = fields.required("weight_map", fields.object("weight_map"));
    Index index;
    for (const auto& [name, value] : weights.members()) {
        if (!value.is_string()) weights.fail(name, fmt::format("must be a string, got {}", value.kind_name()));
        const std::string& file = value.string();
        if (!file.ends_with(".safetensors") || file.find('/') != file.npos)
            weights.fail(name, fmt::format("must be a safetensors file beside the index, got '{}'", file));
        if (auto [shard, fresh] = index.shards.try_emplace(file); fresh)
            shard->second = fs::exists(path.parent_path() / file);
        index.weight_map[name] = file;
    }
    if (index.shards.empty()) fields.fail("weight_map", "names no shard");
    return index;
}

// Weights as pickles, which are not read; what to do about them.
constexpr struct { const char *file, *cure; } pickles[] = {
    {"pytorch_model.bin", "its pytorch_model.bin must be converted to safetensors first"},
    {"pytorch_model.bin.index.json", "its pytorch_model.bin must be converted to safetensors first"},
    {"qmodel.pt", "its qmodel.pt is a pickle of an old hqq; load it there and save it with save_pretrained of "
                  "transformers, which writes safetensors"},
};

[[noreturn]] void no_weights(const fs::path& folder) {
    const char* cure = "give the folder of a Hugging Face checkpoint";
    for (const auto& pickle : pickles)
        if (fs::exists(folder / pickle.file)) cure = pickle.cure;
    throw InputError(fmt::format("[checkpoint] {} has neither {} nor {}; {}", folder.string(), single_name, index_name,
                                 cure));
}

}  // namespace

CheckpointFiles CheckpointFiles::open(const fs::path& folder_or_file) {
    CheckpointFiles files;
    files.path_ = folder_or_file;
    if (!fs::is_directory(folder_or_file)) {
        files.add(SafetensorsFile::open(folder_or_file));
        return files;
    }
    fs::path single = folder_or_file / single_name, index_path = folder_or_file / index_name;
    if (is_there(single)) {
        files.add(SafetensorsFile::open(single));
        return files;
    }
    if (!is_there(index_path)) no_weights(folder_or_file);
    Index index = read_index(index_path);
    for (const auto& [file, there] : index.shards) {
        if (!there) throw InputError(fmt::format("[checkpoint] the shard {} is missing; {} names it: download it again",
                                                 (folder_or_file / file).string(), index_path.string()));
        files.add(SafetensorsFile::open(folder_or_file / file), &index.weight_map);
    }
    for (const auto& [name, file] : index.weight_map)
        if (!files.find(name))
            throw InputError(fmt::format("[checkpoint] {} places tensor '{}' in {}, which does not hold it",
                                         index_path.string(), name, file));
    return files;
}

void CheckpointFiles::add(SafetensorsFile file, const WeightMap* index) {
    shards_.push_back(std::move(file));
    const std::string shard = shards_.back().path().filename().string();
    for (const TensorInfo& tensor : shards_.back().tensors()) {
        if (index)
            if (auto at = index->find(tensor.name); at != index->end() && at->second != shard) continue;
        auto [at, fresh] = places_.try_emplace(tensor.name, Place{shards_.size() - 1, &tensor});
        if (!fresh)
            throw InputError(fmt::format("[checkpoint] tensor '{}' is in two shards, {} and {}, and the index names "
                                         "neither",
                                         tensor.name, shards_[at->second.shard].path().string(),
                                         shards_.back().path().string()));
    }
}

const TensorInfo* CheckpointFiles::find(std::string_view name) const {
    auto at = places_.find(name);
    return at == places_.end() ? nullptr : at->second.tensor;
}

const TensorInfo& CheckpointFiles::get(std::string_view name) const {
    if (const TensorInfo* tensor = find(name)) return *tensor;
    throw InputError(fmt::format("[checkpoint] {} has no tensor '{}'", path_.string(), name));
}

const TensorInfo& CheckpointFiles::get(std::string_view name, std::span<const std::int64_t> dims) const {
    const TensorInfo& tensor = get(name);
    if (!std::equal(dims.begin(), dims.end(), tensor.dims.begin(), tensor.dims.end()))
        throw InputError(fmt::format("[checkpoint] {}: tensor '{}' is {}, config.json asks for {}",
                                     file_of(tensor).string(), name, text_of(tensor.dims), text_of(dims)));
    return tensor;
}

std::vector<const TensorInfo*> CheckpointFiles::tensors() const {
    std::vector<const TensorInfo*> all;
    for (const auto& [name, place] : places_) all.push_back(place.tensor);
    std::ranges::sort(all, {}, &TensorInfo::name);
    return all;
}

const SafetensorsFile& CheckpointFiles::shard(const TensorInfo& tensor) const {
    return shards_[places_.at(tensor.name).shard];
}

bool weights_complete(const fs::path& folder) {
    if (fs::exists(folder / single_name)) return true;
    if (!fs::exists(folder / index_name)) return false;
    for (const auto& [file, there] : read_index(folder / index_name).shards)
        if (!there) return false;
    return true;
}

}  // namespace tandem
