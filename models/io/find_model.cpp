#include "models/io/find_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <vector>

#include "models/io/checkpoint_files.h"
#include "models/io/file_kind.h"
#include "models/io/files.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::optional<fs::path> from_environment(const char* variable) {
    const char* value = std::getenv(variable);
    if (!value || !*value) return std::nullopt;
    return fs::path(value);
}

// In the order in which the hub's own client prefers them.
std::vector<fs::path> hub_caches() {
    std::vector<fs::path> all;
    if (auto cache = from_environment("HF_HUB_CACHE")) all.push_back(*cache);
    if (auto home = from_environment("HF_HOME")) all.push_back(*home / "hub");
    if (auto cache = from_environment("XDG_CACHE_HOME")) all.push_back(*cache / "huggingface" / "hub");
    if (auto home = from_environment("HOME")) all.push_back(*home / ".cache" / "huggingface" / "hub");
    return all;
}

bool complete(const fs::path& snapshot) { return fs::exists(snapshot / "config.json") && weights_complete(snapshot); }

std::string commit_of_main(const fs::path& repository) {
    fs::path ref = repository / "refs" / "main";
    if (!fs::exists(ref)) return "";
    std::string commit = read_file(ref);
    while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) commit.pop_back();
    return commit;
}

// What refs/main names if that is complete, else the newest snapshot that is.
std::optional<fs::path> snapshot_in(const fs::path& repository) {
    fs::path snapshots = repository / "snapshots";
    if (!fs::is_directory(snapshots)) return std::nullopt;
    std::string commit = commit_of_main(repository);
    if (!commit.empty() && complete(snapshots / commit)) return snapshots / commit;
    std::optional<fs::path> newest;
    for (const fs::directory_entry& entry : fs::directory_iterator(snapshots)) {
        if (!complete(entry.path())) continue;
        if (!newest || entry.last_write_time() > fs::last_write_time(*newest)) newest = entry.path();
    }
    return newest;
}

std::string repository_name(const std::string& hub_id) {
    std::string name = "models--" + hub_id;
    return name.replace(name.find('/'), 1, "--");
}

bool is_hub_id(const std::string& model) {
    return std::ranges::count(model, '/') == 1 && !model.starts_with('.') && !model.starts_with('/') &&
           !model.ends_with('/');
}

[[noreturn]] void not_found(const std::string& model, const std::string& hub_id, const std::vector<fs::path>& places) {
    std::string text = fmt::format("[model] {} was found in none of these places:", model);
    for (const fs::path& place : places) text += "\n  " + place.string();
    text += "\ndownload it with: hf download " + hub_id;
    throw InputError(text);
}

[[noreturn]] void unknown(const std::string& model) {
    std::string names;
    for (const ModelAlias& a : model_aliases()) names += (names.empty() ? "" : ", ") + a.name;
    throw InputError(
        fmt::format("[model] {} is no folder with config.json, no safetensors file, no hub id and no known name; "
                    "known are {}",
                    model, names));
}

// What else the file is, where that can be told.
std::string but_is(const fs::path& path) {
    if (!fs::is_regular_file(path)) return "";
    char begin[file_kind_bytes];
    std::ifstream in(path, std::ios::binary);
    in.read(begin, sizeof begin);
    std::string kind = file_kind({begin, std::size_t(in.gcount())});
    return kind.empty() || path.extension() == ".safetensors" ? "" : "; " + kind;
}

std::optional<ModelFiles> at_path(const std::string& model) {
    fs::path path(model);
    if (fs::is_directory(path)) {
        if (is_there(path / "config.json")) return ModelFiles{path, path};
        if (find_alias(model)) return std::nullopt;
        throw InputError(fmt::format("[model] the folder {} has no config.json{}", model,
                                     is_there(path / "adapter_config.json")
                                         ? "; it is an adapter's, which goes on top of a model"
                                         : ""));
    }
    if (!is_there(path)) return std::nullopt;
    fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (path.extension() != ".safetensors" || !is_there(folder / "config.json"))
        throw InputError(fmt::format("[model] {} must be a safetensors file with config.json beside it{}", model,
                                     but_is(path)));
    return ModelFiles{folder, path};
}

}  // namespace

ModelFiles find_model(const std::string& model) {
    if (std::optional<ModelFiles> found = at_path(model)) return *found;
    const ModelAlias* alias = find_alias(model);
    if (!alias && !is_hub_id(model)) unknown(model);
    const std::string& hub_id = alias ? alias->hub_id : model;

    std::vector<fs::path> places{fs::path(".") / model};
    if (alias) {
        if (auto models = from_environment("TANDEM_MODELS")) {
            places.push_back(*models / alias->name);
            if (fs::exists(places.back() / "config.json")) return {places.back(), places.back()};
        } else {
            places.push_back("$TANDEM_MODELS/" + alias->name + " (TANDEM_MODELS is not set)");
        }
    }
    for (const fs::path& cache : hub_caches()) {
        places.push_back(cache / repository_name(hub_id));
        if (std::optional<fs::path> snapshot = snapshot_in(places.back())) return {*snapshot, *snapshot};
    }
    not_found(model, hub_id, places);
}

}  // namespace tandem
