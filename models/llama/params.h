// The parameter table of a Llama: every tensor with its name, unit, place and kind. Allocation, sharding, loading,
// naming and saving all read this one table.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/adapt/lora_spec.h"
#include "models/llama/config.h"
#include "ops/linear/linear.h"

namespace tandem {

// How the weights of the projections are held, tensor by tensor.
class WeightFormats {
  public:
    WeightFormats() = default;                                 // all dense
    WeightFormats(const QuantSpec& all) : all_(all) {}         // each of them so
    WeightFormats(std::map<std::string, QuantSpec> quantized)  // these, by name; the others are dense
        : quantized_(std::move(quantized)) {}

    std::optional<QuantSpec> of(const std::string& weight) const {
        auto at = quantized_.find(weight);
        return at == quantized_.end() ? all_ : at->second;
    }
    explicit operator bool() const { return all_ || !quantized_.empty(); }  // something is quantized

  private:
    std::optional<QuantSpec> all_;
    std::map<std::string, QuantSpec> quantized_;
};

// What becomes of the weights in this run.
struct ParamSetup {
    DType compute = DType::f32;
    bool train_base = false;       // every weight is trained (train type full)
    WeightFormats quant;           // of the seven projections of each layer; not with train_base
    std::optional<LoraSpec> lora;  // not with train_base
};

struct TableEntry {
    enum class Kind { base, lora_a, lora_b };
    std::string
        name;  // base: as in the checkpoint, "model.layers.0.mlp.up_proj.weight"; LoRA: "….up_proj.lora_A.weight"
    Kind kind;
    Param param;
    std::optional<QuantSpec> quant;
    RandomSite site;   // of the numbers it is initialised with
};

struct LayerParams {
    int unit;
    Param input_norm, post_norm;
    Linear q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
};

struct EmbeddingParams {
    int unit;
    Param weight;  // [vocab, hidden]
};

struct HeadParams {
    int unit;  // the embedding's where the two are tied
    Param norm;
    Weight weight;  // [vocab, hidden]
};

struct Params {
    EmbeddingParams embedding;
    std::vector<LayerParams> layers;
    HeadParams head;
    std::vector<UnitLayout> units;
    std::vector<TableEntry> table;

    std::int64_t trainable_elements() const;
    std::int64_t elements() const;  // of all weights, adapters included
    bool trains(int unit) const { return units[std::size_t(unit)].trainable_elements > 0; }
};

// An InputError where LoRA is asked for and no module of the model is selected.
Params make_params(const LlamaConfig& config, const ParamSetup& setup);

// The linear maps of a layer, in the order of the graph: what is quantized, and what LoRA can adapt.
const std::vector<std::string>& projection_names();

}  // namespace tandem
