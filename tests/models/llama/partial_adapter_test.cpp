// An adapter of some modules: where it has none, the model has none, and computes as if B were zero there.
#include <doctest/doctest.h>

#include "tests/models/io/support.h"
#include "tests/support/adapter_files.h"
#include "tests/support/golden_model.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::string all_seven =
    R"("target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])";

GoldenOutput output(const std::filesystem::path& adapter, TrainType type, int ranks) {
    GoldenBatch batch{4, 12, {}, {}};
    for (int i = 0; i < 48; i++) batch.ids.push_back((i * 37 + 5) % 500);
    batch.labels = batch.ids;
    return GoldenRun({golden / "models/llama2-mha", type, adapter}, ranks).run(batch);
}

ParamSetup setup_of(const LoraSpec& lora) {
    ParamSetup setup;
    setup.lora = lora;
    return setup;
}

}  // namespace

TEST_CASE("an adapter of some modules gives the loss and gradients of one whose other B are zero, bit for bit") {
    for (const std::string& keys :
         {all_seven + R"(, "layers_to_transform": [1, 3])", all_seven + R"(, "layers_to_transform": 0)",
          all_seven + R"(, "exclude_modules": ".*\\.[02]\\..*|.*(k|up)_proj")",
          std::string(R"("target_modules": "model\\.layers\\.(1\\.self_attn\\.[qv]|2\\.mlp\\.down)_proj")")})
        for (TrainType type : {TrainType::lora, TrainType::qlora})
            for (int ranks : {1, 2}) {
                CAPTURE(keys);
                CAPTURE(ranks);
                Scratch s;
                Adapter whole = Adapter::open(golden / "adapters/lora-llama2/init");
                ModuleSelection part = selection(keys);
                write_adapter_part(whole, s / "part", part, Others::gone);
                write_adapter_part(whole, s / "zero", part, Others::zero);
                GoldenOutput got = output(s / "part", type, ranks), expected = output(s / "zero", type, ranks);
                CHECK(got.loss == expected.loss);
                CHECK((got.logits == expected.logits));
                std::size_t kept = 0;
                for (const auto& [name, gradient] : expected.gradients) {
                    CAPTURE(name);
                    const bool has = part.selects(name.substr(0, name.rfind(".lora_")));
                    CHECK(got.gradients.contains(name) == has);
                    if (has) CHECK((got.gradients.at(name) == gradient));
                    kept += has;
                }
                CHECK(kept > 0);
                CHECK(got.gradients.size() == kept);
            }
}

TEST_CASE("the table of parameters has adapters of the selected modules alone, at the sites they always have") {
    LlamaConfig c;
    c.hidden = 64, c.layers = 3, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.intermediate = 172, c.vocab = 33;
    LoraSpec all{8, 16, 0, false, projection_names()}, some = all;
    some.modules = selection(R"("target_modules": ["v_proj", "down_proj"], "layers_to_transform": [1])");
    Params whole = make_params(c, setup_of(all)), part = make_params(c, setup_of(some));
    std::vector<std::string> names;
    for (const TableEntry& e : part.table) {
        if (e.kind == TableEntry::Kind::base) continue;
        names.push_back(e.name);
        auto same = std::ranges::find(whole.table, e.name, &TableEntry::name);
        REQUIRE(same != whole.table.end());
        CHECK(same->site.layer == e.site.layer);
        CHECK(same->site.module == e.site.module);
    }
    CHECK(names == std::vector<std::string>{
                       "model.layers.1.self_attn.v_proj.lora_A.weight", "model.layers.1.self_attn.v_proj.lora_B.weight",
                       "model.layers.1.mlp.down_proj.lora_A.weight", "model.layers.1.mlp.down_proj.lora_B.weight"});
    CHECK(part.trainable_elements() == 8 * (64 + 32 + 172 + 64));
    for (int layer : {0, 2}) CHECK_FALSE(part.trains(part.layers[std::size_t(layer)].unit));
    some.modules = ModuleSelection({"lm_head"});
    CHECK(contains(message_of<InputError>([&] { make_params(c, setup_of(some)); }), R"(["lm_head"])"));
}
