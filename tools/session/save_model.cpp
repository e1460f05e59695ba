#include "tools/session/save_model.h"

#include <algorithm>
#include <map>

#include "models/io/files.h"
#include "models/io/safetensors_writer.h"
#include "models/io/tensor_facts.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

// Brings the masters of one unit at a time to every rank's host memory. All ranks ask for the same units in the same
// order.
class MasterGather {
  public:
    MasterGather(Context& ctx, Collective& ranks, Trainer& trainer) : ctx_(ctx), ranks_(ranks) {
        for (const UnitState& s : trainer.states()) ranges_[s.unit] = s.range;
    }
    std::span<const float> values(const Param& p) {
        if (p.unit != unit_) gather(p.unit);
        return std::span(masters_).subspan(std::size_t(p.offset), std::size_t(p.shape.elements()));
    }

  private:
    void gather(int unit) {
        const TrainableRange& range = ranges_.at(unit);
        std::vector<std::int64_t> parts(std::size_t(ranks_.world_size()));  // the last ranks' may be smaller
        ranks_.all_gather(std::as_bytes(std::span(&range.elements, 1)), std::as_writable_bytes(std::span(parts)));
        std::vector<float> mine(std::size_t(*std::max_element(parts.begin(), parts.end())));
        ctx_.download(std::as_writable_bytes(std::span(mine).first(std::size_t(range.elements))),
                      Tensor(range.master, Shape{range.elements}, DType::f32));
        masters_.resize(mine.size() * std::size_t(ranks_.world_size()));
        ranks_.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(masters_)));
        unit_ = unit;
    }
    Context& ctx_;
    Collective& ranks_;
    std::map<int, TrainableRange> ranges_;
    int unit_ = -1;
    std::vector<float> masters_;
};

struct AdapterPair {
    AdapterModule module;
    Param a, b;
};

std::vector<AdapterPair> adapter_pairs(const Params& params) {
    std::map<std::string, AdapterPair> by_path;
    for (const TableEntry& e : params.table) {
        if (e.kind == TableEntry::Kind::base) continue;
        std::string path = e.name.substr(0, e.name.rfind(".lora_"));
        AdapterPair& pair = by_path[path];
        pair.module.path = path;
        if (e.kind == TableEntry::Kind::lora_a) pair.a = e.param, pair.module.in = e.param.shape[1];
        else pair.b = e.param, pair.module.out = e.param.shape[0];
    }
    std::vector<AdapterPair> pairs;
    for (auto& [path, pair] : by_path) pairs.push_back(pair);
    std::stable_sort(pairs.begin(), pairs.end(), [](const auto& x, const auto& y) { return x.a.unit < y.a.unit; });
    return pairs;
}

std::vector<AdapterModule> modules_of(const std::vector<AdapterPair>& pairs) {
    std::vector<AdapterModule> modules;
    for (const AdapterPair& p : pairs) modules.push_back(p.module);
    return modules;
}

std::vector<TensorSpec> model_tensors(const Model& model, const Params& params) {
    std::vector<TensorSpec> specs;
    for (const TableEntry& e : params.table) {
        TensorSpec& s = specs.emplace_back(TensorSpec{e.name, model.config.stored, {}});
        for (int i = 0; i < e.param.shape.rank(); i++) s.dims.push_back(e.param.shape[i]);
    }
    return specs;
}

// Of a model's folder; copied beside the weights.
constexpr const char* text_files[] = {"config.json",          "generation_config.json",  "tokenizer.json",
                                      "tokenizer_config.json", "chat_template.jinja",     "special_tokens_map.json",
                                      "tokenizer.model"};

}  // namespace

std::size_t saving_bytes(const Params& params, int world_size) {
    std::size_t unit = 0, tensor = 0;
    for (const UnitLayout& u : params.units) unit = std::max(unit, std::size_t(u.trainable_elements));
    for (const TableEntry& e : params.table)
        if (e.param.trainable) tensor = std::max(tensor, std::size_t(e.param.shape.elements()));
    const std::size_t range = range_size(unit, world_size, unit_alignment / 4);
    return (range * std::size_t(world_size + 1) + tensor) * sizeof(float);
}

bool is_result_file(const fs::path& file) {
    std::string name = file.filename().string();
    if (name.ends_with(".partial")) name.resize(name.size() - 8);
    if (name == "adapter_config.json" || name == "adapter_model.safetensors" || name == "model.safetensors")
        return true;
    return std::find(std::begin(text_files), std::end(text_files), name) != std::end(text_files);
}

std::uint64_t saved_adapter_bytes(const AdapterConfig& config, const Params& params) {
    return adapter_bytes(config, modules_of(adapter_pairs(params)));
}

std::uint64_t saved_model_bytes(const Model& model, const Params& params) {
    return SafetensorsWriter::file_bytes(model_tensors(model, params));
}

void save_adapter(const Result& result, const AdapterConfig& config, const Params& params, Context& ctx,
                  Collective& ranks, Trainer& trainer) {
    std::vector<AdapterPair> pairs = adapter_pairs(params);
    std::vector<AdapterModule> modules = modules_of(pairs);
    MasterGather masters(ctx, ranks, trainer);
    AdapterSource source = [&](std::size_t i) {
        return AdapterValues{masters.values(pairs[i].a), masters.values(pairs[i].b), {}};
    };
    if (ranks.rank() == 0) {
        make_empty_folder(result.partial());
        write_adapter_files(result.partial(), config, modules, source);
        verify_adapter(result.partial(), config, modules, source);
        publish(result);
    } else {
        for (int pass = 0; pass < 2; pass++)  // written, then verified
            for (std::size_t i = 0; i < pairs.size(); i++) source(i);
    }
    ranks.barrier();
}

void save_model(const Result& result, const Model& model, const Params& params, Context& ctx, Collective& ranks,
                Trainer& trainer) {
    MasterGather masters(ctx, ranks, trainer);
    DType type = model.config.stored;
    fs::path fresh = result.partial();
    std::optional<SafetensorsWriter> writer;
    if (ranks.rank() == 0) {
        make_empty_folder(fresh);
        writer.emplace(fresh / "model.safetensors", model_tensors(model, params));
    }
    for (const TableEntry& e : params.table) {
        std::span<const float> values = masters.values(e.param);
        if (!writer) continue;
        visit_float(type, [&]<class T>() {
            std::vector<T> out(values.size());
            std::transform(values.begin(), values.end(), out.begin(), [](float v) { return T(v); });
            writer->write(e.name, std::as_bytes(std::span(out)));
        });
    }
    if (writer) {
        writer->finish();
        for (std::string_view name : text_files) {
            if (model.folder.empty() || !fs::exists(model.folder / name)) continue;
            std::string text = read_file(model.folder / name);
            write_file(fresh / name, name == "config.json" ? settled_config(model.config, text) : text);
        }
        publish(result);
    }
    ranks.barrier();
}

}  // namespace tandem
