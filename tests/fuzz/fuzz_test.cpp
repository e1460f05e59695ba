// The readers of foreign files on damaged ones: each reads, or refuses with an InputError that is UTF-8 and of a length
// that somebody reads; nothing else. TANDEM_FUZZ_RUNS=1000000 says how many damaged files a target gets, and
// TANDEM_FUZZ_SEED which; without them the suites share 30 s under sanitizers and run briefly elsewhere. An input that
// breaks the rule is left in the system's temporary folder as fuzz-TARGET.
#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "models/io/hf_config.h"
#include "models/io/peft_config.h"
#include "models/io/safetensors_header.h"
#include "models/text/dataset/dataset.h"
#include "models/text/tokenizer_config.h"
#include "runtime/utf8.h"
#include "tests/fuzz/mutator.h"
#include "tests/support/train_process.h"
#include "tools/session/model.h"
#include "tools/options/command_line.h"
#include "tools/options/train_options.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr int targets = 7;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// When a target has had enough.
class Budget {
  public:
    bool left() {
        if (runs_ > 0) return done_++ < runs_;
        return done_++ < shortest || (sanitized && std::chrono::steady_clock::now() < end_);
    }
    long done() const { return done_ - 1; }

  private:
    static constexpr long shortest = 300;
    long runs_ = std::atol(variable("TANDEM_FUZZ_RUNS").c_str()), done_ = 0;
    std::chrono::steady_clock::time_point end_ =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(30000 / targets);
};

// What the rule says of one input; empty: it holds.
std::string fault(const std::function<void()>& read) {
    try {
        read();
        return "";
    } catch (const InputError& e) {
        const std::string_view what = e.what();
        if (valid_utf8(printable(what)) != printable(what).size()) return "a message that is no UTF-8";
        return what.size() > 4000 ? "a message of " + std::to_string(what.size()) + " bytes" : "";
    } catch (const std::exception& e) {
        return std::string("another exception: ") + e.what();
    }
}

void damage(const std::string& target, std::vector<std::string> seeds,
            const std::function<void(const std::string&)>& read) {
    for (const std::string& seed : seeds) REQUIRE_MESSAGE(fault([&] { read(seed); }) == "", target);
    std::filesystem::path corpus = std::filesystem::path(TANDEM_TEST_DATA) / "fuzz" / target;
    if (std::filesystem::exists(corpus))
        for (const auto& e : std::filesystem::directory_iterator(corpus)) {
            seeds.push_back(text_of(e.path()));
            CHECK_MESSAGE(fault([&] { read(seeds.back()); }) == "", e.path().string());
        }
    std::string seed = variable("TANDEM_FUZZ_SEED");
    const std::filesystem::path kept = std::filesystem::temp_directory_path() / ("fuzz-" + target);
    fuzz::Mutator mutator(seeds, seed.empty() ? 1 : std::stoull(seed));
    Budget budget;
    while (budget.left()) {
        std::string input = mutator.next();
        write_text(kept, input);  // what a sanitizer ends stays there
        std::string what = fault([&] { read(input); });
        REQUIRE_MESSAGE(what == "", kept.string(), ": ", what);
    }
    std::filesystem::remove(kept);
    MESSAGE(target, ": ", budget.done(), " damaged files");
}

std::vector<std::string> files(const std::vector<std::string>& names) {
    std::vector<std::string> all;
    for (const std::string& name : names) all.push_back(text_of(golden(name)));
    return all;
}

std::string header_of(const std::string& file) {
    std::string all = text_of(golden(file));
    std::uint64_t length = 0;
    for (int i = 0; i < 8; i++) length |= std::uint64_t(std::uint8_t(all[std::size_t(i)])) << (8 * i);
    return all.substr(0, 8 + length);
}

}  // namespace

TEST_CASE("fuzz: safetensors headers") {
    // Of a length that is right again after a change, with the data left out: what follows the header is looked at.
    auto read = [](const std::string& input) {
        std::string file = input;
        std::uint64_t length = file.size() > 8 ? file.size() - 8 : 0;
        if (file.size() >= 8 && (file[0] & 3))
            for (int i = 0; i < 8; i++) file[std::size_t(i)] = char(length >> (8 * i));
        safetensors::parse_header(std::as_bytes(std::span(file)), "a file");
    };
    damage("safetensors",
         {header_of("models/llama2-mha/model-00001-of-00002.safetensors"),
          header_of("models/llama2-mha-bnb-nf4-double/model.safetensors"),
          header_of("adapters/lora-llama2/final/adapter_model.safetensors"),
          std::string("\x40\0\0\0\0\0\0\0", 8)
              .append(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":[{"y":1}]}}  )")},
         read);
}

TEST_CASE("fuzz: JSONL records") {
    Scratch s;
    auto tokenizer = open_tokenizer(golden("models/llama3-gqa"));
    TextTools tools{tokenizer.get(), {"<|begin_of_text|>", "<|eot_id|>"}, ChatTemplate::named("llama3"), {}};
    std::string records =
        R"({"messages":[{"role":"system","content":""},{"role":"user","content":""},{"role":"assistant","content":"c"}]}
{"conversations":[{"from":"human","value":"x"},{"from":"gpt","value":"y","weight":1}],"system":"z"}
{"instruction":"do","input":"","output":"done"}
{"text":"some text"}
{"input_ids":[5,6,7,8],"labels":[-100,6,7,8],"attention_mask":[0,1,1,1],"loss_mask":[1,1,0,1]}
)";
    damage("records",
         {records, "[" + records.substr(0, records.find('\n')) + ",\n {\"text\": \"b\"}]",
          text_of(golden("data/llama3-equal.jsonl")).substr(0, 4096)},
         [&](const std::string& input) {
             read_dataset(s.put("d.jsonl", input), &tools, {64, 640, true, std::nullopt});
         });
}

TEST_CASE("fuzz: --config") {
    Scratch s;
    TrainOptions defaults;
    OptionSet all("train", "");
    declare(all, defaults);
    damage("options", {all.json(), R"({"lora-rank": 16, "lr": 1e-4, "gpus": ["cpu", "cpu"], "shuffle": true})"},
         [&](const std::string& input) {
             TrainOptions o;
             OptionSet set("train", "");
             declare(set, o);
             std::vector<std::string> errors;
             set.read_config(s.put("c.json", input).string(), errors);
             if (errors.empty()) validate(o, set);
             else throw InputError(errors[0]);
         });
}

TEST_CASE("fuzz: config.json") {
    Scratch s;
    damage("config",
         files({"models/llama2-mha/config.json", "models/llama3-gqa/config.json", "models/qwen2-bias/config.json",
                "models/llama2-mha-bnb-nf4-double/config.json"}),
         [&](const std::string& input) {
             s.put("config.json", input);
             read_hf_config(s.path);
         });
}

TEST_CASE("fuzz: adapter_config.json") {
    Scratch s;
    std::vector<std::string> seeds = files({"adapters/lora-llama2/final/adapter_config.json"});
    const std::string lora = R"({"peft_type":"LORA","r":8,"lora_alpha":16,"target_modules":)";
    seeds.push_back(lora + R"(".*\\.(?P<a>q|v)_pro{,2}[[j]","exclude_modules":["k_proj"]})");
    seeds.push_back(lora + R"(["q_proj","mlp.up_proj"],"layers_to_transform":[0,2],"layers_pattern":"(?:layers|h).?",)"
                           R"("exclude_modules":".*\\.1\\d?\\..*"})");
    damage("adapter", seeds, [&](const std::string& input) {
        const AdapterConfig config = read_adapter_config(s.put("adapter_config.json", input));
        config.lora.modules.selects("model.layers.2.self_attn.q_proj");
        if (read_adapter_config(s.put("written.json", adapter_config_text(config))) != config)
            throw Error("the configuration written again reads otherwise");
    });
}

TEST_CASE("fuzz: tokenizer.json") {
    Scratch s;
    damage("tokenizer", files({"models/llama2-mha/tokenizer.json", "models/llama3-gqa/tokenizer.json"}),
         [&](const std::string& input) {
             Tokenizer t = Tokenizer::load(s.put("tokenizer.json", input));
             Encoding e = t.encode("A few words, 12 numbers é <|eot_id|></s>\n", SpecialTokens::add);
             t.decode(e.ids, DecodeSpecial::keep);
         });
}

TEST_CASE("fuzz: tokenizer_config.json") {
    Scratch s;
    std::filesystem::copy(golden("models/llama2-mha/tokenizer.json"), s / "tokenizer.json");
    std::vector<std::string> seeds = files({"../../tools/demo/model/tokenizer_config.json"});
    seeds.push_back(R"({"bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","chat_template":[{"name":)"
                    R"("default","template":"{{x}}"}],"added_tokens_decoder":{"2":{"content":"</s>","special":true,)"
                    R"("lstrip":false,"rstrip":false,"single_word":false,"normalized":false}}})");
    damage("tokenizer_config", seeds, [&](const std::string& input) {
        s.put("tokenizer_config.json", input);
        read_tokenizer_config(s.path);
        Tokenizer::load(s.path / "tokenizer.json");
    });
}
