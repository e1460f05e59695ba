#include "models/io/peft.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "models/io/peft_config.h"
#include "runtime/utf8.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr const char* config_name = "adapter_config.json";
constexpr const char* weights_name = "adapter_model.safetensors";
constexpr std::string_view prefix = "base_model.model.";
constexpr std::string_view part_a = ".lora_A.weight", part_b = ".lora_B.weight";
constexpr std::string_view part_magnitude = ".lora_magnitude_vector";

std::string tensor_name(std::string_view module, std::string_view part) {
    return fmt::format("{}{}{}", prefix, module, part);
}

}  // namespace

Adapter Adapter::open(const fs::path& folder) {
    if (!fs::exists(folder / weights_name) && fs::exists(folder / "adapter_model.bin"))
        throw InputError(
            fmt::format("[adapter] {} has adapter_model.bin; save it as safetensors first", folder.string()));
    Adapter adapter(read_adapter_config(folder / config_name), SafetensorsFile::open(folder / weights_name));
    adapter.find_modules();
    adapter.match_targets();
    return adapter;
}

void Adapter::find_modules() {
    std::set<std::string> paths;
    for (const TensorInfo& t : file_.tensors()) {
        std::string_view name = t.name, module;
        for (std::string_view part : {part_a, part_b, part_magnitude})
            if (name.starts_with(prefix) && name.ends_with(part) && name.size() > prefix.size() + part.size())
                module = name.substr(prefix.size(), name.size() - prefix.size() - part.size());
        if (module.empty() || (!config_.dora && name.ends_with(part_magnitude)))
            throw InputError(
                fmt::format("[adapter] {}: tensor '{}' is no part of {} adapter of linear layers; merge the adapter "
                            "into its model with PEFT (merge_and_unload) and give the model that comes out",
                            file_.path().string(), excerpt(name, 200), config_.dora ? "a DoRA" : "a LoRA"));
        paths.emplace(module);
    }
    for (const std::string& path : paths) modules_.push_back(checked_module(path));
    if (modules_.empty()) throw InputError(fmt::format("[adapter] {} holds no tensor", file_.path().string()));
}

AdapterModule Adapter::checked_module(const std::string& path) const {
    AdapterModule m{path};
    auto part = [&](std::string_view suffix) -> const TensorInfo& {
        std::string name = tensor_name(path, suffix);
        const TensorInfo* t = file_.find(name);
        if (!t) throw InputError(fmt::format("[adapter] {} lacks tensor '{}'", file_.path().string(), name));
        if (t->dtype != DType::f32 && t->dtype != DType::bf16 && t->dtype != DType::f16 && t->dtype != DType::f64)
            throw InputError(fmt::format("[adapter] {}: tensor '{}' is {}, expected a float type",
                                         file_.path().string(), name, name_of(t->dtype)));
        return *t;
    };
    auto expect = [&](const TensorInfo& t, const std::vector<std::int64_t>& dims) {
        if (t.dims != dims)
            throw InputError(fmt::format("[adapter] {}: tensor '{}' is {}, expected {} for rank {}",
                                         file_.path().string(), t.name, text_of(t.dims), text_of(dims),
                                         config_.lora.rank));
    };
    const TensorInfo &a = part(part_a), &b = part(part_b);
    m.in = a.dims.empty() ? 0 : a.dims.back();
    m.out = b.dims.empty() ? 0 : b.dims.front();
    expect(a, {config_.lora.rank, m.in});
    expect(b, {m.out, config_.lora.rank});
    if (config_.dora) expect(part(part_magnitude), {m.out});
    return m;
}

void Adapter::match_targets() {
    std::vector<std::string> paths;
    for (const AdapterModule& m : modules_) paths.push_back(m.path);
    unused_targets_ = config_.lora.modules.targets_beside(paths);
    for (const std::string& path : paths)
        if (!config_.lora.modules.selects(path))
            throw InputError(
                fmt::format("[adapter] {}: '{}' is no target module of {}, so PEFT would run without its tensors; see "
                            "target_modules, layers_to_transform and exclude_modules there, or take the tensors out",
                            file_.path().string(), path, config_name));
}

LoraSpec Adapter::spec() const {
    LoraSpec spec = config_.lora;
    spec.modules = spec.modules.without(unused_targets_);
    return spec;
}

const AdapterModule* Adapter::find(std::string_view path) const {
    auto at =
        std::ranges::lower_bound(modules_, path, {}, [](const AdapterModule& m) -> std::string_view { return m.path; });
    return at == modules_.end() || at->path != path ? nullptr : &*at;
}

std::vector<float> Adapter::values(const AdapterModule& module, std::string_view part) const {
    const TensorInfo* t = file_.find(tensor_name(module.path, part));
    if (!t) throw Error(fmt::format("[adapter] {} has no '{}'", file_.path().string(), tensor_name(module.path, part)));
    std::vector<float> values(std::size_t(t->elements()));
    to_float(t->dtype, file_.bytes(*t), values);
    return values;
}

std::vector<float> Adapter::a(const AdapterModule& module) const { return values(module, part_a); }
std::vector<float> Adapter::b(const AdapterModule& module) const { return values(module, part_b); }
std::vector<float> Adapter::magnitude(const AdapterModule& module) const { return values(module, part_magnitude); }

}  // namespace tandem
