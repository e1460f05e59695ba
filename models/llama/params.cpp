#include "models/llama/params.h"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/joined.h"

namespace tandem {

namespace {

constexpr std::int64_t element_alignment = unit_alignment / sizeof(float);

class TableBuilder {
  public:
    TableBuilder(const ParamSetup& setup, Params& params) : setup_(setup), params_(params) {}

    int unit(std::string name) {
        params_.units.push_back({std::move(name), 0, 0});
        return int(params_.units.size()) - 1;
    }

    // `layer` and `module` name the site of the tensor's random numbers.
    Param dense(int unit, std::string name, const Shape& shape, RandomSite site) {
        return setup_.train_base ? trained(unit, std::move(name), TableEntry::Kind::base, shape, site)
                                 : frozen(unit, std::move(name), shape, {}, site);
    }

    struct Projection {
        int unit, layer, module;  // module: in projection_names()
        std::int64_t out, in;
        bool bias;
    };
    Linear projection(const Projection& p) {
        const auto [unit, layer, module, out, in, bias] = p;
        std::string full = fmt::format("model.layers.{}.{}.{}", layer, module < 4 ? "self_attn" : "mlp",
                                       projection_names()[std::size_t(module)]);
        RandomSite site{std::uint32_t(layer + 1), std::uint32_t(module)};
        RandomSite base_site{site.layer, base_module + site.module};
        Linear w;
        w.weight.quant = setup_.quant.of(full + ".weight");
        w.weight.param = w.weight.quant ? frozen(unit, full + ".weight", {out, in}, w.weight.quant, base_site)
                                        : dense(unit, full + ".weight", {out, in}, base_site);
        if (bias) w.bias = dense(unit, full + ".bias", {out}, {site.layer, base_module + 32 + site.module});
        if (setup_.lora && setup_.lora->modules.selects(full)) {
            const LoraSpec& l = *setup_.lora;
            w.lora = Lora{trained(unit, full + ".lora_A.weight", TableEntry::Kind::lora_a, {l.rank, in}, site),
                          trained(unit, full + ".lora_B.weight", TableEntry::Kind::lora_b, {out, l.rank}, site),
                          l.scale(), l.dropout, site};
        }
        return w;
    }

    static constexpr std::uint32_t base_module = 64;  // modules below it are LoRA's

  private:
    Param frozen(int unit, std::string name, const Shape& shape, std::optional<QuantSpec> quant, RandomSite site) {
        UnitLayout& u = params_.units[std::size_t(unit)];
        Param p{unit, false, std::int64_t(u.frozen_bytes), shape, setup_.compute};
        std::size_t bytes = quant ? quant_bytes(*quant, shape[0], shape[1])
                                  : std::size_t(shape.elements()) * size_of(setup_.compute);
        u.frozen_bytes += align_up(bytes, unit_alignment);
        params_.table.push_back({std::move(name), TableEntry::Kind::base, p, quant, site});
        return p;
    }
    Param trained(int unit, std::string name, TableEntry::Kind kind, const Shape& shape, RandomSite site) {
        UnitLayout& u = params_.units[std::size_t(unit)];
        Param p{unit, true, u.trainable_elements, shape, setup_.compute};
        u.trainable_elements += (shape.elements() + element_alignment - 1) / element_alignment * element_alignment;
        params_.table.push_back({std::move(name), kind, p, {}, site});
        return p;
    }

    const ParamSetup& setup_;
    Params& params_;
};

LayerParams make_layer(TableBuilder& b, const LlamaConfig& c, int i) {
    std::int64_t q = std::int64_t(c.heads) * c.head_dim, kv = std::int64_t(c.kv_heads) * c.head_dim;
    std::string prefix = fmt::format("model.layers.{}.", i);
    int u = b.unit(fmt::format("layer {}", i));
    LayerParams w;
    w.unit = u;
    w.input_norm = b.dense(u, prefix + "input_layernorm.weight", {c.hidden}, {std::uint32_t(i + 1), 32});
    w.q_proj = b.projection({u, i, 0, q, c.hidden, c.attention_bias.qkv});
    w.k_proj = b.projection({u, i, 1, kv, c.hidden, c.attention_bias.qkv});
    w.v_proj = b.projection({u, i, 2, kv, c.hidden, c.attention_bias.qkv});
    w.o_proj = b.projection({u, i, 3, c.hidden, q, c.attention_bias.o});
    w.post_norm = b.dense(u, prefix + "post_attention_layernorm.weight", {c.hidden}, {std::uint32_t(i + 1), 33});
    w.gate_proj = b.projection({u, i, 4, c.intermediate, c.hidden, c.mlp_bias});
    w.up_proj = b.projection({u, i, 5, c.intermediate, c.hidden, c.mlp_bias});
    w.down_proj = b.projection({u, i, 6, c.hidden, c.intermediate, c.mlp_bias});
    return w;
}

}  // namespace

const std::vector<std::string>& projection_names() {
    static const std::vector<std::string> names = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                   "gate_proj", "up_proj", "down_proj"};
    return names;
}

Params make_params(const LlamaConfig& c, const ParamSetup& setup) {
    Params p;
    TableBuilder b(setup, p);
    p.embedding.unit = b.unit(c.tied ? "embedding and head" : "embedding");
    p.embedding.weight = b.dense(p.embedding.unit, "model.embed_tokens.weight", {c.vocab, c.hidden}, {0, 32});
    for (int i = 0; i < c.layers; i++) p.layers.push_back(make_layer(b, c, i));
    p.head.unit = c.tied ? p.embedding.unit : b.unit("head");
    p.head.norm = b.dense(p.head.unit, "model.norm.weight", {c.hidden}, {0, 33});
    p.head.weight.param =
        c.tied ? p.embedding.weight : b.dense(p.head.unit, "lm_head.weight", {c.vocab, c.hidden}, {0, 34});
    if (setup.lora && p.trainable_elements() == 0)
        throw InputError(fmt::format("[params] the target modules {} of the adapter select none of the model's; LoRA "
                                     "can have those of {}",
                                     setup.lora->modules.text(), joined(projection_names())));
    return p;
}

std::int64_t Params::trainable_elements() const {
    std::int64_t n = 0;
    for (const TableEntry& e : table) n += e.param.trainable ? e.param.shape.elements() : 0;
    return n;
}

std::int64_t Params::elements() const {
    std::int64_t n = 0;
    for (const TableEntry& e : table) n += e.param.shape.elements();
    return n;
}

}  // namespace tandem
