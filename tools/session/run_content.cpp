#include "tools/session/run_content.h"

#include <algorithm>

#include "runtime/hash.h"
#include "runtime/json.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::uint64_t targets_hash(const Params& params) {
    std::vector<std::string> names;
    for (const TableEntry& e : params.table)
        if (e.kind != TableEntry::Kind::base) names.push_back(e.name);
    std::sort(names.begin(), names.end());
    std::uint64_t h = 0;
    for (const std::string& name : names) h = hash_bytes(std::as_bytes(std::span(name)), h);
    return h;
}

std::uint64_t values_hash(const Adapter& adapter) {
    std::uint64_t h = 1;
    for (const AdapterModule& m : adapter.modules()) {
        h = hash_bytes(std::as_bytes(std::span(m.path)), h);
        for (const std::vector<float>& values : {adapter.a(m), adapter.b(m)})
            h = hash_bytes(std::as_bytes(std::span(values)), h);
    }
    return h;
}

Json optional(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

RunContent run_content(const Recipe& recipe, const Opened& opened) {
    return {.data = opened.data.hash(),
            .targets = targets_hash(opened.params),
            .init_adapter = opened.init_adapter ? values_hash(*opened.init_adapter) : 0,
            .on_cards = recipe.gpus.is_on_cards(),
            .world_size = recipe.gpus.world_size()};
}

std::uint64_t shape_hash(const LlamaConfig& c) {
    const RopeConfig& r = c.rope;
    Json rope = Json::Array{int(r.type), r.theta, r.factor, r.original_max_positions, r.low_freq_factor,
                            r.high_freq_factor, r.beta_fast, r.beta_slow, optional(r.mscale),
                            optional(r.mscale_all_dim), optional(r.attention_factor), r.truncate};
    Json shape = Json::Array{c.hidden, c.layers, c.heads, c.kv_heads, c.head_dim, c.intermediate, c.vocab,
                             c.max_positions, double(c.rms_eps), c.tied, c.attention_bias.qkv, c.attention_bias.o,
                             c.mlp_bias, rope};
    return hash_text(shape.text());
}

std::uint64_t model_files_hash(const Model& model) {
    if (model.folder.empty()) return 0;
    std::vector<fs::path> files{model.folder / "config.json"};
    if (model.weights)
        for (const SafetensorsFile& shard : model.weights->shards()) files.push_back(shard.path());
    std::uint64_t h = 0;
    for (const fs::path& file : files) {
        std::error_code gone;
        std::uint64_t facts[3] = {hash_text(file.filename().string()), fs::file_size(file, gone),
                                  std::uint64_t(fs::last_write_time(file, gone).time_since_epoch().count())};
        h = hash_bytes(std::as_bytes(std::span(facts)), h);
    }
    return h;
}

}  // namespace tandem
