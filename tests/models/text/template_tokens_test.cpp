#include "models/text/template_tokens.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using nlohmann::json;

namespace {

const std::string models = TANDEM_TEST_DATA "/models/";
const SpecialStrings llama2_special{"<s>", "</s>"}, llama3_special{"<|begin_of_text|>", "<|eot_id|>"};

std::string said(const char* chat, const Tokenizer& tokenizer, const SpecialStrings& special) {
    try {
        require_template_tokens(ChatTemplate::named(chat), tokenizer, special);
    } catch (const InputError& e) {
        return e.what();
    }
    return "";
}

// The golden Llama 3 with these tokens declared behind its own.
Tokenizer with_tokens(const std::vector<json>& tokens) {
    test::Scratch scratch;
    json declared;
    for (std::size_t i = 0; i < tokens.size(); i++) declared[std::to_string(640 + i)] = tokens[i];
    scratch.put("tokenizer_config.json", json{{"added_tokens_decoder", declared}}.dump());
    std::filesystem::copy(models + "llama3-gqa/tokenizer.json", scratch / "tokenizer.json");
    return Tokenizer::load(scratch / "tokenizer.json");
}

json token(const char* content) { return {{"content", content}, {"special", true}}; }

}  // namespace

TEST_CASE("template tokens: plain text markers may be cut, tokens may not") {
    Tokenizer llama2 = Tokenizer::load(models + "llama2-mha/tokenizer.json");
    Tokenizer llama3 = Tokenizer::load(models + "llama3-gqa/tokenizer.json");
    for (const char* fits : {"llama2", "mistral", "mistral-v0.1"})  // [INST] and <<SYS>> are text
        CHECK(said(fits, llama2, llama2_special).empty());
    for (const char* fits : {"llama3", "llama3-prompt", "llama3.1"})
        CHECK(said(fits, llama3, llama3_special).empty());
    for (const char* fits : {"chatml", "qwen1.5", "qwen2", "qwen2.5", "qwen2.5-base", "smollm2"}) {
        CHECK(said(fits, with_tokens({token("<|im_start|>"), token("<|im_end|>")}), {}).empty());
        CHECK(said(fits, llama3, {}).find("\"<|im_start|>\"") != std::string::npos);
        CHECK(said(fits, with_tokens({token("<|im_start|>")}), {}).find("\"<|im_end|>\"") != std::string::npos);
        CHECK(said(fits, with_tokens({token("<|im_end|>")}), {}).find("\"<|im_start|>\"") != std::string::npos);
    }
    for (const char* other : {"llama3", "llama3.1"})
        CHECK(said(other, llama2, {"<s>", "</s>"}).find("<|start_header_id|>") != std::string::npos);
}

TEST_CASE("template tokens: BOS and an end token that the tokenizer cuts are named, and one that is not given") {
    Tokenizer llama3 = Tokenizer::load(models + "llama3-gqa/tokenizer.json");
    CHECK(said("mistral", llama3, {"<|begin_of_text|>", "</s>"}).find("\"</s>\"") != std::string::npos);
    CHECK(said("mistral", llama3, {"<s>", "<|eot_id|>"}).find("\"<s>\"") != std::string::npos);
    CHECK(said("llama2", llama3, llama3_special).empty());
    CHECK(said("llama2", llama3, {"<s>", ""}).find("'eos_token' is undefined") != std::string::npos);
    CHECK(said("llama3", llama3, {}).find("'bos_token' is undefined") != std::string::npos);
}

TEST_CASE("template tokens: flags count, white space that a token takes with it does not matter") {
    json start = token("<|im_start|>"), end = token("<|im_end|>");
    end["rstrip"] = start["lstrip"] = true;
    CHECK(said("chatml", with_tokens({start, end}), {}).empty());
    end["single_word"] = true;  // behind a word it is no token
    CHECK(said("chatml", with_tokens({start, end}), {}).find("\"<|im_end|>\"") != std::string::npos);
    // Only in the vocabulary, where no merge makes it.
    test::Scratch scratch;
    json spec = json::parse(std::ifstream(models + "llama3-gqa/tokenizer.json"));
    spec["model"]["vocab"]["<|im_start|>"] = 640;
    spec["model"]["vocab"]["<|im_end|>"] = 641;
    Tokenizer t = Tokenizer::load(scratch.put("tokenizer.json", spec.dump()));
    CHECK(said("chatml", t, {}).find("\"<|im_start|>\"") != std::string::npos);
}
