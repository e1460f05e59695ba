#include <fmt/core.h>

#include <cstring>
#include <utility>

#include "models/io/files.h"
#include "models/io/peft.h"
#include "models/io/peft_config.h"
#include "models/io/safetensors_writer.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::string tensor_name(const AdapterModule& m, const char* part) {
    return fmt::format("base_model.model.{}.{}", m.path, part);
}

std::vector<TensorSpec> tensors_of(const AdapterConfig& config, std::span<const AdapterModule> modules) {
    std::vector<TensorSpec> tensors;
    for (const AdapterModule& m : modules) {
        tensors.push_back({tensor_name(m, "lora_A.weight"), DType::f32, {config.lora.rank, m.in}});
        tensors.push_back({tensor_name(m, "lora_B.weight"), DType::f32, {m.out, config.lora.rank}});
        if (config.dora) tensors.push_back({tensor_name(m, "lora_magnitude_vector"), DType::f32, {m.out}});
    }
    return tensors;
}

void refuse_other_folder(const fs::path& folder) {
    if (!fs::exists(folder) || fs::exists(folder / "adapter_config.json")) return;
    if (fs::is_directory(folder) && fs::is_empty(folder)) return;
    throw Error(fmt::format("[adapter] {} exists and is no adapter; it is not replaced", folder.string()));
}

fs::path without_slash(const fs::path& folder) { return folder.has_filename() ? folder : folder.parent_path(); }

}  // namespace

std::uint64_t adapter_bytes(const AdapterConfig& config, std::span<const AdapterModule> modules) {
    return SafetensorsWriter::file_bytes(tensors_of(config, modules));
}

void write_adapter_files(const fs::path& folder, const AdapterConfig& config, std::span<const AdapterModule> modules,
                         const AdapterSource& source) {
    SafetensorsWriter writer(folder / "adapter_model.safetensors", tensors_of(config, modules));
    for (std::size_t i = 0; i < modules.size(); i++) {
        AdapterValues v = source(i);
        writer.write(tensor_name(modules[i], "lora_A.weight"), std::as_bytes(v.a));
        writer.write(tensor_name(modules[i], "lora_B.weight"), std::as_bytes(v.b));
        if (config.dora) writer.write(tensor_name(modules[i], "lora_magnitude_vector"), std::as_bytes(v.magnitude));
    }
    writer.finish();
    write_file(folder / "adapter_config.json", adapter_config_text(config));
}

void write_adapter(const fs::path& folder, const AdapterConfig& config, std::span<const AdapterModule> modules,
                   const AdapterSource& source) {
    fs::path target = without_slash(folder), partial = target;
    refuse_other_folder(target);
    partial += ".partial";
    make_empty_folder(partial);
    write_adapter_files(partial, config, modules, source);
    replace_folder(partial, target);
}

void verify_adapter(const fs::path& folder, const AdapterConfig& config, std::span<const AdapterModule> modules,
                    const AdapterSource& source) {
    auto differs = [&](const std::string& what) {
        throw Error(fmt::format("[adapter] {} was written, but reads back with {}", folder.string(), what));
    };
    Adapter adapter = Adapter::open(folder);
    if (adapter.config() != config) differs("another adapter_config.json");
    if (adapter.modules().size() != modules.size()) differs("another number of modules");
    auto same = [](const std::vector<float>& read, std::span<const float> wanted) {
        return read.size() == wanted.size() && std::memcmp(read.data(), wanted.data(), wanted.size_bytes()) == 0;
    };
    for (std::size_t i = 0; i < modules.size(); i++) {
        const AdapterModule* m = adapter.find(modules[i].path);
        if (!m || *m != modules[i]) differs("other sizes of " + modules[i].path);
        AdapterValues v = source(i);
        if (!same(adapter.a(*m), v.a)) differs("another lora_A of " + m->path);
        if (!same(adapter.b(*m), v.b)) differs("another lora_B of " + m->path);
        if (config.dora && !same(adapter.magnitude(*m), v.magnitude)) differs("another magnitude of " + m->path);
    }
}

}  // namespace tandem
