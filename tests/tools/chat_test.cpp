// Where answers end, and chat templates whose tokens the tokenizer lacks.
#include <regex>

#include "tests/support/model_files.h"

using namespace tandem::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Ids = std::vector<int>;

Arguments on(const fs::path& model) { return {"--model", model.string(), "--gpus", "cpu", "--threads", "1"}; }

Ids ids_of(const Exit& e) {
    CHECK_MESSAGE(e.code == 0, e.err);
    return json::parse(e.out)["ids"].get<Ids>();
}

void refused(const Exit& e, const std::string& says) {
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK_MESSAGE(e.says(says), e.err);
}

// The golden Llama 2, whose template's end token is one that the model says early in its answer to "hi": config.json
// does not know it, as a base model's does not.
struct Taught {
    Scratch scratch;
    fs::path model = scratch / "model";
    Ids whole;    // the answer that nothing ends
    int end = 0;  // of the template

    Taught() {
        copy_model(model);
        write_text(model / "tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
        whole = ids_of(chat({"--ignore-eos"}));
        REQUIRE(whole.size() == 12);
        end = whole[5];
        REQUIRE(std::find(whole.begin(), whole.end(), end) == whole.begin() + 5);
        json vocabulary = json::parse(text_of(model / "tokenizer.json"))["model"]["vocab"];
        for (auto& [token, id] : vocabulary.items()) {
            if (id != end) continue;
            json config{{"bos_token", "<s>"}, {"eos_token", token}};
            config["added_tokens_decoder"][std::to_string(end)] = {{"content", token}, {"special", true}};
            write_text(model / "tokenizer_config.json", config.dump());
        }
    }
    Ids first(std::ptrdiff_t count) const { return {whole.begin(), whole.begin() + count}; }
    Exit generate(const Arguments& more) const {
        return run(Arguments{"generate", "--max-new-tokens", "12", "--json", "--chat-template", "mistral"} + on(model) +
                   more);
    }
    Exit chat(const Arguments& more = {}) const { return generate(Arguments{"--chat", "hi"} + more); }
};

const std::string conversation =
    R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})";

}  // namespace

TEST_CASE("chat: an answer ends at the template's end token, whatever config.json says") {
    Taught t;
    CHECK(ids_of(t.chat()) == t.first(6));
    CHECK(ids_of(t.chat({"--ignore-eos"})) == t.whole);
    for (const char* eos : {"[2, 3]", "[]", "null"}) {
        edit_json(t.model / "config.json", [&](json& c) { c["eos_token_id"] = json::parse(eos); });
        fs::remove(t.model / "generation_config.json");
        CHECK(ids_of(t.chat()) == t.first(6));
    }
    edit_json(t.model / "config.json", [&](json& c) { c["eos_token_id"] = {t.whole[3], t.end}; });
    CHECK(ids_of(t.chat()) == t.first(4));  // in addition to what the model's files name
}

TEST_CASE("chat: a plain prompt does not end at the template's end token") {
    Taught t;
    // What mistral writes around the same words, as text.
    CHECK(ids_of(t.generate({"--prompt", "[INST] hi [/INST]"})) == t.whole);
}

TEST_CASE("chat: the answers of a training run end there too") {
    Taught t;
    Exit e = run(training(t.scratch / "run", 1) + on(t.model) +
                 Arguments{"--chat-template", "mistral", "--sample-prompt", "hi"});
    CHECK_MESSAGE(e.code == 0, e.err);
    std::string answer = json::parse(t.chat().out)["text"];
    REQUIRE(!answer.empty());
    CHECK_MESSAGE(std::regex_search(e.err, std::regex("before +" + std::regex_replace(answer, std::regex("[()]"), ".") +
                                                      " *\n")),
                  e.err);
    CHECK(!e.says("was cut"));
}

TEST_CASE("chat: an answer that the context cut says so, one that --max-new-tokens ended does not") {
    Taught t;
    Arguments three = {"--prompt-ids", "1,445,474", "--ignore-eos", "--context-length", "8"};
    Exit cut = t.generate(three);
    CHECK(ids_of(cut).size() == 5);
    const std::string said = cut.beside_the_plan();
    CHECK(std::count(said.begin(), said.end(), '\n') == 1);
    CHECK_MESSAGE(cut.says("cut after 5 tokens, prompt and answer fill the context of 8"), cut.err);
    Exit asked = t.generate(three + Arguments{"--max-new-tokens", "5"});  // they meet
    CHECK(ids_of(asked) == ids_of(cut));
    CHECK(asked.beside_the_plan().empty());
    int last = ids_of(cut)[4];
    edit_json(t.model / "config.json", [&](json& c) { c["eos_token_id"] = last; });
    fs::remove(t.model / "generation_config.json");
    Exit ended = t.generate({"--prompt-ids", "1,445,474", "--context-length", "8"});
    CHECK(ids_of(ended).back() == last);
    CHECK(ended.beside_the_plan().empty());

    edit_json(t.model / "config.json", [](json& c) { c["eos_token_id"] = 3; });
    Exit train = run(training(t.scratch / "run", 1) + on(t.model) + Arguments{"--sample-prompt", "hi"});
    CHECK_MESSAGE(train.code == 0, train.err);  // 64 new tokens do not fit into the context of 64
    CHECK_MESSAGE(train.says("the answer before training was cut after "), train.err);
    CHECK_MESSAGE(train.says("the answer after training was cut after "), train.err);
}

TEST_CASE("chat: a template whose tokens would be cut is refused where it is used, and only there") {
    Taught t;
    const Arguments chatml{"--chat-template", "chatml"};
    const std::string says = "[chat template chatml] the tokenizer has no token \"<|im_start|>\"";
    fs::path data = t.scratch / "data.jsonl", texts = t.scratch / "texts.jsonl", output = t.scratch / "run";
    write_text(data, conversation + "\n");
    write_text(texts, "{\"text\": \"Rain and more rain.\"}\n");
    Arguments train = training(output, 1) + on(t.model) + chatml + Arguments{"--dataset-samples", "1"};

    refused(t.chat(chatml), says);
    refused(run(train + Arguments{"--dataset", data}), data.string() + ":1: " + says);
    refused(run(Arguments{"eval", "--dataset", data} + on(t.model) + chatml), data.string() + ":1: " + says);
    refused(run(Arguments{"tokenize", "--dataset", data, "--model", t.model} + chatml), data.string() + ":1: " + says);
    refused(run(train + Arguments{"--dataset", texts, "--sample-prompt", "hi"}), says);
    CHECK(!fs::exists(output));

    CHECK(ids_of(t.generate(chatml + Arguments{"--prompt", "hi"})).size() == 12);
    CHECK(run(Arguments{"eval", "--dataset", texts} + on(t.model) + chatml).code == 0);
    CHECK(run(train + Arguments{"--dataset", texts}).code == 0);
}

TEST_CASE("chat: a declared token is one in every command, and refused beyond the model's vocabulary") {
    Scratch scratch;
    fs::path model = scratch / "model", data = scratch / "data.jsonl";
    copy_model(model);
    write_text(data, conversation + "\n");
    write_text(model / "tokenizer_config.json",
               R"({"added_tokens_decoder": {"512": {"content": "<|im_start|>"}, "513": {"content": "<|im_end|>"}}})");
    Exit ids = run({"tokenize", "--model", model.string(), "--text", "<|im_end|>", "--json"});
    CHECK(ids_of(ids) == Ids{513});
    for (const Arguments& command : {Arguments{"generate", "--prompt", "a"}, Arguments{"eval", "--dataset", data}})
        refused(run(command + on(model)), "the token \"<|im_start|>\" has the id 512, the model has 512 ids");
    edit_json(model / "tokenizer_config.json", [](json& c) {
        c["added_tokens_decoder"] = {{"514", {{"content", "<|im_end|>"}}}};
    });
    refused(run({"tokenize", "--model", model.string(), "--text", "a"}),
            "the token \"<|im_end|>\" is declared with the id 514");
}

TEST_CASE("chat: a sample prompt for a model without a template is plain text, and it is said why") {
    Scratch scratch;
    Exit e = run(training(scratch / "run", 1) + Arguments{"--sample-prompt", "hi"});
    CHECK(e.code == 0);
    CHECK_MESSAGE(e.says("--sample-prompt is taken as plain text: "), e.err);
    CHECK_MESSAGE(e.says("has no chat template; name one with --chat-template"), e.err);
}
