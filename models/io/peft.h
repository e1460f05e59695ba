// LoRA adapters as PEFT keeps them: a folder with adapter_config.json and adapter_model.safetensors.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapt/lora_spec.h"
#include "models/io/safetensors.h"

namespace tandem {

struct AdapterConfig {
    LoraSpec lora;
    bool dora = false;
    std::string base_model;  // folder or hub id of the model it belongs to
    bool operator==(const AdapterConfig&) const = default;
};

struct AdapterModule {
    std::string path;  // "model.layers.0.self_attn.q_proj"
    std::int64_t in = 0, out = 0;
    bool operator==(const AdapterModule&) const = default;
};

// Adapter weights in fp32. Spans handed out stay valid until the next call of what gave them.
struct AdapterValues {
    std::span<const float> a;          // [rank, in]
    std::span<const float> b;          // [out, rank]
    std::span<const float> magnitude;  // [out] with DoRA, else empty
};

class Adapter {
  public:
    // An InputError names the file and what is wrong or not supported. Every module has its A and B (with DoRA also its
    // magnitude) in sizes that fit together and is one that the configuration selects, and no tensor is left over;
    // whether the modules are those of a model is the caller's to check.
    static Adapter open(const std::filesystem::path& folder);

    const AdapterConfig& config() const { return config_; }
    const std::filesystem::path& file() const { return file_.path(); }      // of the tensors
    const std::vector<AdapterModule>& modules() const { return modules_; }  // sorted by path
    // Target modules that the file has nothing for: names of other kinds of model, as lists that fit several have them.
    const std::vector<std::string>& unused_targets() const { return unused_targets_; }
    LoraSpec spec() const;  // without them
    const AdapterModule* find(std::string_view path) const;                 // null: the module has no adapter

    std::vector<float> a(const AdapterModule&) const;          // [rank, in]
    std::vector<float> b(const AdapterModule&) const;          // [out, rank]
    std::vector<float> magnitude(const AdapterModule&) const;  // [out]; only with DoRA

  private:
    Adapter(AdapterConfig config, SafetensorsFile file) : config_(std::move(config)), file_(std::move(file)) {}
    void find_modules();
    void match_targets();
    AdapterModule checked_module(const std::string& path) const;
    std::vector<float> values(const AdapterModule&, std::string_view part) const;
    AdapterConfig config_;
    SafetensorsFile file_;
    std::vector<AdapterModule> modules_;
    std::vector<std::string> unused_targets_;
};

// Gives module i's weights; called for 0, 1, … in this order, once for writing and once for verifying.
using AdapterSource = std::function<AdapterValues(std::size_t)>;

// Writes the folder beside its final name and renames it when it is complete and on disk; an older adapter there is
// replaced, any other folder that is not empty is refused.
void write_adapter(const std::filesystem::path& folder, const AdapterConfig& config,
                   std::span<const AdapterModule> modules, const AdapterSource& source);

// Its two files alone, into a folder that is there.
void write_adapter_files(const std::filesystem::path& folder, const AdapterConfig& config,
                         std::span<const AdapterModule> modules, const AdapterSource& source);

// Of adapter_model.safetensors.
std::uint64_t adapter_bytes(const AdapterConfig& config, std::span<const AdapterModule> modules);

// Opens it again as any reader would and compares everything bit for bit; an Error names the first difference.
void verify_adapter(const std::filesystem::path& folder, const AdapterConfig& config,
                    std::span<const AdapterModule> modules, const AdapterSource& source);

}  // namespace tandem
