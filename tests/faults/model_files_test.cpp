// Models and adapters that are not what they should be: exit 2 and one sentence, before anything is written.
#include "tests/support/model_files.h"

using namespace tandem::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// `spoil` does something to a copy of the model; training on it must be refused with `sentence`.
void refused(const char* sentence, const std::function<void(const fs::path&)>& spoil) {
    CAPTURE(sentence);
    Scratch scratch;
    copy_model(scratch / "m");
    spoil(scratch / "m");
    Exit e = run(training(scratch / "run", 2) + Arguments{"--model", scratch / "m"});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says(sentence), e.err);
    CHECK(e.out.empty());
    CHECK(!fs::exists(scratch / "run"));
}

auto shard(const std::string& name, const std::function<void(Shard&)>& edit) {
    return [=](const fs::path& m) {
        Shard s(m / name);
        edit(s);
        s.write(m / name);
    };
}

auto config(const std::function<void(json&)>& edit) {
    return [=](const fs::path& m) { edit_json(m / "config.json", edit); };
}

}  // namespace

TEST_CASE("bad models: shards") {
    const std::string norm = "model.norm.weight";
    refused("model-00002-of-00002.safetensors is missing", [](const fs::path& m) { fs::remove(m / shard_2); });
    refused("model-00001-of-00002.safetensors", [](const fs::path& m) { fs::resize_file(m / shard_1, 250000); });
    refused("model-00001-of-00002.safetensors", [](const fs::path& m) { fs::resize_file(m / shard_1, 7); });
    refused("model-00001-of-00002.safetensors", [](const fs::path& m) { fs::resize_file(m / shard_1, 0); });
    refused("model-00002-of-00002.safetensors",
            [](const fs::path& m) { write_text(m / shard_2, text_of(m / shard_2) + "x"); });
    refused("model-00002-of-00002.safetensors", [](const fs::path& m) {
        std::string text = text_of(m / shard_2);
        text[9] = '\xff';
        write_text(m / shard_2, text);
    });
    refused("model-00002-of-00002.safetensors", [](const fs::path& m) {
        std::string text = text_of(m / shard_2);
        text.replace(0, 8, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8));
        write_text(m / shard_2, text);
    });
    refused("model-00002-of-00002.safetensors", shard(shard_2, [&](Shard& s) { s.header[norm]["dtype"] = "BF17"; }));
    refused("model.norm.weight' is [32, 2]", shard(shard_2, [&](Shard& s) { s.header[norm]["shape"] = {32, 2}; }));
    refused("model.norm.weight", [&](const fs::path& m) {
        Shard s(m / shard_2);
        s.header["model.noun.weight"] = s.header[norm];
        s.header.erase(norm);
        s.write(m / shard_2);
    });
    refused("has no tensor 'model.layers.4.", config([](json& c) { c["num_hidden_layers"] = 5; }));
    refused("model.safetensors.index.json",
            [](const fs::path& m) { write_text(m / "model.safetensors.index.json", "{"); });
    refused("has neither model.safetensors nor model.safetensors.index.json",
            [](const fs::path& m) { fs::remove(m / "model.safetensors.index.json"); });
}

TEST_CASE("bad models: config.json and tokenizer.json") {
    refused("has no config.json", [](const fs::path& m) { fs::remove(m / "config.json"); });
    refused("config.json", [](const fs::path& m) { write_text(m / "config.json", "{\"a\": "); });
    refused("config.json", [](const fs::path& m) { write_text(m / "config.json", "[]"); });
    refused("hidden_size", config([](json& c) { c.erase("hidden_size"); }));
    refused("hidden_size", config([](json& c) { c["hidden_size"] = "64"; }));
    refused("num_attention_heads", config([](json& c) { c["num_attention_heads"] = 0; }));
    refused("num_key_value_heads", config([](json& c) { c["num_key_value_heads"] = 3; }));
    refused("mamba", config([](json& c) { c["model_type"] = "mamba"; }));
    refused("hidden_act", config([](json& c) { c["hidden_act"] = "gelu"; }));
    refused("is [512, 64], config.json asks for [512, 32]", config([](json& c) { c["hidden_size"] = 32; }));
    // The data is ids; the tokenizer is looked at all the same.
    refused("tokenizer.json", [](const fs::path& m) { write_text(m / "tokenizer.json", "{\"model\": 1}"); });
    refused("tokenizer.json", [](const fs::path& m) { write_text(m / "tokenizer.json", ""); });
    refused("tokenizer.json", [](const fs::path& m) {
        edit_json(m / "tokenizer.json", [](json& t) { t["model"]["type"] = "Unigram"; });
    });
}

TEST_CASE("bad adapters") {
    Scratch scratch;
    fs::path mine = golden("adapters/lora-llama2/init"), other = golden("adapters/rslora-llama3-attention/init");
    auto refused_adapter = [&](const fs::path& folder, const std::string& sentence) {
        for (const Arguments& command :
             {training(scratch / "run", 2), Arguments{"eval"} + model_and_data(),
              Arguments{"generate", "--model", golden("models/llama2-mha"), "--prompt-ids", "1"}}) {
            Arguments all = command;
            all.push_back(command[0] == "train" ? "--init-adapter" : "--adapter");
            all.push_back(folder);
            Exit e = run(all);
            CHECK(e.code == 2);
            CHECK_MESSAGE(e.says(sentence), e.err);
            CHECK(e.out.empty());
        }
        CHECK(!fs::exists(scratch / "run"));
    };
    auto plain = [&](const fs::path& output) {
        return Arguments{"train"} + model_and_data() +
               Arguments{"--max-steps", "2", "--output-dir", output, "--init-adapter", mine};
    };
    refused_adapter(scratch / "none", "none/adapter_");
    Exit e = run(Arguments{"eval"} + model_and_data() + Arguments{"--adapter", other});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("was it made for another model?"), e.err);
    e = run(plain(scratch / "run") + Arguments{"--init-adapter", other});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("was it made for another model?"), e.err);

    e = run(plain(scratch / "run") +
            Arguments{"--lora-rank", "9", "--lora-alpha", "3", "--use-rslora", "--lora-target-modules", "q_proj"});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("--lora-rank, --lora-alpha, --use-rslora, --lora-target-modules contradict the adapter in "),
                  e.err);
    CHECK(!fs::exists(scratch / "run"));
    e = run(plain(scratch / "run") + Arguments{"--lora-rank", "8", "--lora-alpha", "16", "--use-rslora", "false",
                                               "--lora-target-modules", "all", "--lora-dropout", "0.3"});
    CHECK_MESSAGE(e.code == 0, e.err);
    json saved = json::parse(text_of(scratch / "run" / "adapter" / "adapter_config.json"));
    CHECK(saved["r"] == 8);
    CHECK(saved["lora_dropout"] == 0.3);

    fs::remove_all(scratch / "run");
    fs::copy(mine, scratch / "a");
    fs::permissions(scratch / "a" / "adapter_config.json", fs::perms::owner_write, fs::perm_options::add);
    edit_json(scratch / "a" / "adapter_config.json", [](json& c) { c["peft_type"] = "LOHA"; });
    refused_adapter(scratch / "a", "LOHA");
}
