#include "models/io/peft.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "models/io/files.h"
#include "models/io/safetensors_writer.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

// An adapter in memory: what a caller would gather module by module.
struct Content {
    AdapterConfig config;
    std::vector<AdapterModule> modules;
    std::vector<std::vector<float>> a, b, magnitude;

    AdapterSource source() const {
        return [this](std::size_t i) {
            return AdapterValues{a[i], b[i],
                                 config.dora ? std::span<const float>(magnitude[i]) : std::span<const float>()};
        };
    }
};

Content read(const fs::path& folder) {
    Adapter adapter = Adapter::open(folder);
    Content c{adapter.config(), adapter.modules(), {}, {}, {}};
    for (const AdapterModule& m : c.modules) {
        c.a.push_back(adapter.a(m));
        c.b.push_back(adapter.b(m));
        c.magnitude.push_back(c.config.dora ? adapter.magnitude(m) : std::vector<float>());
    }
    return c;
}

json good_config() {
    return {
        {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"q_proj"}}, {"task_type", "CAUSAL_LM"}};
}

const std::string q0 = "base_model.model.model.layers.0.self_attn.q_proj";

std::vector<TensorSpec> good_tensors() {
    return {{q0 + ".lora_A.weight", DType::f32, {2, 3}}, {q0 + ".lora_B.weight", DType::f32, {5, 2}}};
}

std::string open_error(const Scratch& s, const json& config, const std::vector<TensorSpec>& tensors) {
    s.put("adapter_config.json", config.dump());
    SafetensorsWriter writer(s.path / "adapter_model.safetensors", tensors);
    for (const TensorSpec& t : tensors) {
        std::size_t bytes = size_of(t.dtype);
        for (std::int64_t d : t.dims) bytes *= std::size_t(d);
        writer.write(t.name, std::vector<std::byte>(bytes));
    }
    writer.finish();
    return message_of<InputError>([&] { Adapter::open(s.path); });
}

json with(const std::string& key, const json& value) {
    json config = good_config();
    config[key] = value;
    return config;
}

}  // namespace

TEST_CASE("the golden adapters") {
    Content lora = read(golden / "adapters/lora-llama2/init");
    CHECK(lora.config.lora.rank == 8);
    CHECK(lora.config.lora.alpha == 16);
    CHECK(lora.config.lora.scale() == 2);
    CHECK(lora.config.lora.modules == ModuleSelection({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                                                       "down_proj"}));
    CHECK(lora.config.base_model == "models/llama2-mha");
    CHECK(lora.modules.size() == 28);
    CHECK(lora.modules[0] == AdapterModule{"model.layers.0.mlp.down_proj", 172, 64});
    CHECK(std::ranges::any_of(lora.a[0], [](float v) { return v != 0; }));

    Content rslora = read(golden / "adapters/rslora-llama3-attention/init");
    CHECK(rslora.config.lora.rslora);
    CHECK(rslora.config.lora.scale() == doctest::Approx(16 / std::sqrt(8.0)).epsilon(1e-15));
    CHECK(rslora.config.lora.modules == ModuleSelection({"v_proj", "q_proj", "v_proj"}));
    Content dora = read(golden / "adapters/dora-llama3/init");
    CHECK(dora.config.dora);
    CHECK(dora.magnitude[0].size() == 96);
}

TEST_CASE("an adapter written again is the same, byte for byte where PEFT's own file is") {
    for (const char* name : {"lora-llama2", "rslora-llama3-attention", "dora-llama3"}) {
        Scratch s;
        fs::path source = golden / "adapters" / name / "init", copy = s.path / "out" / "adapter";
        Content c = read(source);
        write_adapter(copy / "", c.config, c.modules, c.source());
        verify_adapter(copy, c.config, c.modules, c.source());
        CHECK(read_file(copy / "adapter_model.safetensors") == read_file(source / "adapter_model.safetensors"));
        // Every key is one that PEFT writes, with the same value.
        json mine = json::parse(read_file(copy / "adapter_config.json")),
             theirs = json::parse(read_file(source / "adapter_config.json"));
        std::sort(theirs["target_modules"].begin(), theirs["target_modules"].end());
        for (const auto& item : mine.items()) CHECK_MESSAGE(theirs.at(item.key()) == item.value(), item.key());
    }
}

TEST_CASE("a written adapter replaces an older one and nothing else") {
    Scratch s;
    Content c = read(golden / "adapters/rslora-llama3-attention/init");
    fs::path folder = s.path / "adapter";
    fs::create_directories(folder);
    write_adapter(folder, c.config, c.modules, c.source());
    s.put("adapter/more", "");
    s.put("adapter.partial/rest", "of a run that was killed");
    c.b[0][0] = -0.0f;
    c.a[0][0] = std::nanf("");
    CHECK(contains(message_of<Error>([&] { verify_adapter(folder, c.config, c.modules, c.source()); }),
                   "another lora_A"));
    write_adapter(folder, c.config, c.modules, c.source());
    verify_adapter(folder, c.config, c.modules, c.source());
    CHECK_FALSE(fs::exists(folder / "more"));
    CHECK(std::distance(fs::directory_iterator(s.path), fs::directory_iterator{}) == 1);
    c.b[0][0] = 0.0f;  // equal as a number, not bit for bit
    CHECK(contains(message_of<Error>([&] { verify_adapter(folder, c.config, c.modules, c.source()); }),
                   "another lora_B"));
    c.b[0][0] = -0.0f;
    c.config.lora.alpha = 15.5;
    CHECK(contains(message_of<Error>([&] { verify_adapter(folder, c.config, c.modules, c.source()); }),
                   "adapter_config.json"));
    c.a[0].pop_back();
    CHECK_THROWS_AS(write_adapter(folder, c.config, c.modules, c.source()), Error);
    CHECK(Adapter::open(folder).config().lora.alpha == 16);  // the older one stands

    s.put("thesis/chapter1", "");
    CHECK(contains(message_of<Error>([&] { write_adapter(s.path / "thesis", c.config, c.modules, c.source()); }),
                   "no adapter"));
    CHECK(fs::exists(s.path / "thesis/chapter1"));
}

TEST_CASE("adapters of every float type, with all-linear, or with keys nobody knows are read") {
    Scratch s;
    std::vector<TensorSpec> tensors = good_tensors();
    CHECK(open_error(s, good_config(), tensors) == "");
    CHECK(open_error(s, with("a new key", {1, 2}), tensors) == "");
    CHECK(open_error(s, with("rank_pattern", json::object()), tensors) == "");
    for (const json& targets :
         {json(".*q_proj"), json("model\\.layers\\.[0-3]\\.(self_attn|mlp)\\.\\w+"), json("all-linear"),
          json("All-Linear"), json{"layers.0.self_attn.q_proj"}, json{"q_proj", "q_proj"}})
        CHECK_MESSAGE(open_error(s, with("target_modules", targets), tensors) == "", targets.dump());
    CHECK(Adapter::open(s.path).find("model.layers.0.self_attn.q_proj")->out == 5);
    CHECK_FALSE(Adapter::open(s.path).find("model.layers.1.self_attn.q_proj"));
    tensors[0].dtype = DType::bf16;
    tensors[1].dtype = DType::f16;
    CHECK(open_error(s, good_config(), tensors) == "");
    CHECK(Adapter::open(s.path).b(Adapter::open(s.path).modules()[0]) == std::vector<float>(10));
}

TEST_CASE("how A and B began is told by name, and what leaves the base as it is is taken") {
    Scratch s;
    for (const json& value : {json(nullptr), json(true), json(false), json("gaussian"), json("Gaussian"), json("eva"),
                              json("orthogonal")})
        CHECK_MESSAGE(open_error(s, with("init_lora_weights", value), good_tensors()) == "", value.dump());
}

TEST_CASE("targets that the adapter has nothing for are kept in its configuration and left out of what is run") {
    Scratch s;
    CHECK(open_error(s, with("target_modules", {"w1", "q_proj", "lm_head"}), good_tensors()) == "");
    Adapter adapter = Adapter::open(s.path);
    CHECK(adapter.unused_targets() == std::vector<std::string>{"lm_head", "w1"});
    CHECK(adapter.config().lora.modules == ModuleSelection({"w1", "q_proj", "lm_head"}));
    CHECK(adapter.spec().modules == ModuleSelection({"q_proj"}));
    CHECK(open_error(s, with("target_modules", ".*(w1|q_proj)"), good_tensors()) == "");
    CHECK(Adapter::open(s.path).unused_targets().empty());
}

TEST_CASE("a written adapter says which modules it is for as the one that was read did") {
    json list = json{"v_proj", "q_proj", "q_proj"}, sorted = json{"q_proj", "v_proj"};
    for (json keys : {json{{"target_modules", list}, {"layers_to_transform", 0}},
                      json{{"target_modules", list}, {"layers_to_transform", {2, 0}}, {"layers_pattern", "layers"}},
                      json{{"target_modules", list}, {"layers_to_transform", {0}}, {"layers_pattern", {"h", "layers"}}},
                      json{{"target_modules", list}, {"exclude_modules", {"v_proj"}}},
                      json{{"target_modules", ".*[qk]_proj"}, {"exclude_modules", ".*k_proj"}},
                      json{{"target_modules", "all-linear"}}}) {
        CAPTURE(keys.dump());
        Scratch s;
        json config = good_config();
        config.update(keys);
        REQUIRE(open_error(s, config, good_tensors()) == "");
        Content c = read(s.path);
        write_adapter(s.path / "copy", c.config, c.modules, c.source());
        verify_adapter(s.path / "copy", c.config, c.modules, c.source());
        json written = json::parse(read_file(s.path / "copy/adapter_config.json"));
        for (const char* key : {"target_modules", "layers_to_transform", "layers_pattern", "exclude_modules"}) {
            json expected = keys.value(key, json());
            CHECK(written.at(key) == (expected == list ? sorted : expected));
        }
    }
}

TEST_CASE("what an adapter's configuration must not say") {
    Scratch s;
    auto fails = [&](const std::string& key, const json& value) {
        std::string message = open_error(s, with(key, value), good_tensors());
        CHECK_MESSAGE((contains(message, "\"" + key + "\"") && contains(message, "adapter_config.json")),
                      key << ": " << message);
    };
    fails("peft_type", "IA3");
    fails("peft_type", nullptr);
    for (const json& value : {json(nullptr), json(0), json(-1), json(2.0), json("2"), json(100000)}) fails("r", value);
    for (const json& value : {json(nullptr), json(0), json(-1), json("2")}) fails("lora_alpha", value);
    for (const json& value : {json(1), json(-0.1), json("0")}) fails("lora_dropout", value);
    for (const json& value : {json(nullptr), json(1), json::array(), json{1}, json{""}, json(""), json("(q_proj"),
                              json("*"), json(json::object())})
        fails("target_modules", value);
    for (const json& value : {json(1), json{1}, json{""}, json("(q_proj"), json{{"q_proj", 1}}})
        fails("exclude_modules", value);
    for (const json& value : {json("0"), json(0.5), json{"0"}, json(true), json(json::object())})
        fails("layers_to_transform", value);
    fails("layers_pattern", "layers");  // PEFT, too: not without layers_to_transform
    for (const char* value : {"pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "mica", "PiSSA", "new"}) {
        fails("init_lora_weights", value);
        CHECK(contains(open_error(s, with("init_lora_weights", value), good_tensors()), "merge"));
    }
    for (const json& value : {json(1), json::array(), json(0.5)}) fails("init_lora_weights", value);
    fails("bias", "all");
    fails("fan_in_fan_out", true);
    fails("modules_to_save", {"lm_head"});
    fails("rank_pattern", {{"q_proj", 4}});
    fails("alpha_pattern", {{"q_proj", 4}});
    fails("kasa_config", {{"beta", 0.1}});
    fails("task_type", "SEQ_CLS");
    fails("use_dora", "yes");
    with_flips(read_file(golden / "adapters/dora-llama3/init/adapter_config.json"), 1000, [&](const std::string& text) {
        s.put("adapter_config.json", text);
        message_of<InputError>([&] { Adapter::open(s.path); });
    });
}

TEST_CASE("what an adapter's tensors must not be") {
    Scratch s;
    auto fails = [&](std::vector<TensorSpec> tensors, const std::string& says, const json& config = good_config()) {
        std::string message = open_error(s, config, tensors);
        CHECK_MESSAGE((contains(message, says) && contains(message, "adapter_model.safetensors")), message);
    };
    std::vector<TensorSpec> good = good_tensors();
    fails({}, "holds no tensor");
    fails({good[0]}, "lora_B.weight'");
    fails({good[1]}, "lora_A.weight'");
    auto changed = [&](std::size_t i, auto change) {
        std::vector<TensorSpec> tensors = good;
        change(tensors[i]);
        return tensors;
    };
    fails(changed(0, [](TensorSpec& t) { t.dims = {3, 2}; }), "is [3, 2], expected [2, 2] for rank 2");
    fails(changed(1, [](TensorSpec& t) { t.dims = {5, 3}; }), "is [5, 3], expected [5, 2]");
    fails(changed(1, [](TensorSpec& t) { t.dims = {}; }), "is [], expected");
    fails(changed(0, [](TensorSpec& t) { t.dims = {2, 3, 1}; }), "is [2, 3, 1]");
    fails(changed(0, [](TensorSpec& t) { t.dtype = DType::i32; }), "is i32, expected a float type");
    auto and_one = [&](const std::string& name, std::vector<std::int64_t> dims) {
        std::vector<TensorSpec> tensors = good;
        tensors.push_back({name, DType::f32, std::move(dims)});
        return tensors;
    };
    fails(and_one(q0 + ".lora_C.weight", {1}), "is no part of a LoRA adapter");
    fails(and_one("lora_A.weight", {1}), "is no part of");
    fails(and_one("base_model.model..lora_A.weight", {1}), "is no part of");
    fails(and_one("base_model.model.lora_A.weight", {1}), "is no part of");
    for (const char* name : {"lm_head.weight", "model.embed_tokens.lora_embedding_A", "model.embed_tokens.weight"})
        fails(and_one("base_model.model." + std::string(name), {1}), std::string(name) + "' is no part of");
    fails(and_one(q0 + ".lora_magnitude_vector", {5}), "is no part of a LoRA adapter");
    fails(good, "lora_magnitude_vector'", with("use_dora", true));
    fails(and_one(q0 + ".lora_magnitude_vector", {6}), "is [6], expected [5]", with("use_dora", true));
    CHECK(open_error(s, with("use_dora", true), and_one(q0 + ".lora_magnitude_vector", {5})) == "");
    fails(good, "q_proj' is no target module", with("target_modules", {"proj"}));
    fails(good, "q_proj' is no target module", with("target_modules", "self_attn.q_proj"));
    fails(good, "q_proj' is no target module", with("exclude_modules", "model.*"));
    fails(good, "q_proj' is no target module", with("layers_to_transform", {1, 2}));
    std::vector<TensorSpec> two = good;
    for (TensorSpec t : good) two.push_back({t.name.replace(t.name.find("q_proj"), 6, "k_proj"), t.dtype, t.dims});
    fails(two, "k_proj' is no target module");
    fs::remove(s.path / "adapter_model.safetensors");
    CHECK(contains(message_of<InputError>([&] { Adapter::open(s.path); }), "No such file"));
    s.put("adapter_model.bin", "");
    CHECK(contains(message_of<InputError>([&] { Adapter::open(s.path); }), "save it as safetensors"));
}
