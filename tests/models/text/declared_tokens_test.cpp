// Tokens that only tokenizer_config.json declares: refused where the id is not the one that a loader gives them.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/text/tokenizer.h"
#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using nlohmann::json;
using tandem::test::Scratch;

namespace {

const std::string llama3 = TANDEM_TEST_DATA "/models/llama3-gqa/tokenizer.json";  // 640 ids, the last is <|eot_id|>

struct Folder {
    Scratch scratch;
    std::filesystem::path file;

    explicit Folder(const json& tokenizer = json::parse(std::ifstream(llama3)))
        : file(scratch.put("tokenizer.json", tokenizer.dump())) {}
    Tokenizer load(const std::string& declared, std::int64_t model_vocabulary = 1000) const {
        scratch.put("tokenizer_config.json", "{\"added_tokens_decoder\": " + declared + "}");
        return Tokenizer::load(file, model_vocabulary);
    }
    void refuses(const std::string& declared, const std::string& says, std::int64_t model_vocabulary = 1000) const {
        CAPTURE(declared);
        std::string said;
        try {
            load(declared, model_vocabulary);
        } catch (const InputError& e) {
            said = e.what();
        }
        CHECK_MESSAGE(said.find((scratch / "tokenizer_config.json").string()) != std::string::npos, said);
        CHECK_MESSAGE(said.find(says) != std::string::npos, said);
    }
};

}  // namespace

TEST_CASE("declared tokens: an id that a loader would not give is refused by name") {
    Folder f;
    CHECK(f.load(R"({"641": {"content": "<y>"}, "640": {"content": "<x>"}})").id_of("<y>") == 641);
    f.refuses(R"({"641": {"content": "<x>"}})", "the token \"<x>\" is declared with the id 641");
    f.refuses(R"({"641": {"content": "<x>"}})", "would get 640");
    f.refuses(R"({"640": {"content": "<x>"}, "642": {"content": "<y>"}})", "\"<y>\" is declared with the id 642");
    f.refuses(R"({"100": {"content": "<x>"}})", "\"<x>\" is declared with the id 100");
    f.refuses(R"({"640": {"content": "<|eot_id|>"}})", "tokenizer.json has it with 639");
    f.refuses(R"({"640": {"content": "a"}})", "\"a\" is declared with the id 640");
    f.refuses(R"({"640": {"content": "<x>"}, "641": {"content": "<x>"}})", "\"<x>\" is declared with the id 641");
    f.refuses(R"({"640": {"content": "<x\u001b>"}, "641": {"content": "<y>"}, "700": {"content": "\u001b"}})",
              "\"\\x1b\"");
}

TEST_CASE("declared tokens: an id beyond the model's vocabulary is refused by name, unless tokenizer.json has it") {
    Folder f;
    f.refuses(R"({"640": {"content": "<x>"}})", "the token \"<x>\" has the id 640, the model has 640 ids", 640);
    CHECK(f.load(R"({"640": {"content": "<x>"}})", 641).id_of("<x>") == 640);
    CHECK(f.load(R"({"639": {"content": "<|eot_id|>"}})", 600).id_of("<|eot_id|>") == 639);
}

TEST_CASE("declared tokens: what is no token is refused by path") {
    Folder f;
    f.refuses(R"([])", "added_tokens_decoder");
    f.refuses(R"({"x": {"content": "<x>"}})", "added_tokens_decoder.x");
    f.refuses(R"({"-1": {"content": "<x>"}})", "added_tokens_decoder.-1");
    f.refuses(R"({"640x": {"content": "<x>"}})", "added_tokens_decoder.640x");
    f.refuses(R"({"99999999999": {"content": "<x>"}})", "added_tokens_decoder.99999999999");
    f.refuses(R"({"640": "<x>"})", "added_tokens_decoder.640");
    f.refuses(R"({"640": {}})", "\"content\"");
    f.refuses(R"({"640": {"content": 3}})", "added_tokens_decoder.640.content");
    f.refuses(R"({"640": {"content": "<x>", "lstrip": 1}})", "added_tokens_decoder.640.lstrip");
    CHECK(f.load("null").size() == 640);
    CHECK(f.load("{}").size() == 640);
}

TEST_CASE("declared tokens: where the vocabulary leaves ids out, the next id is what its entries count") {
    json spec = json::parse(std::ifstream(llama3));
    spec["model"]["vocab"]["zzz"] = 700;  // 641 entries with the added tokens, of which the vocabulary holds some
    Folder f(spec);
    std::int32_t next = std::max(std::int32_t(spec["model"]["vocab"].size()), 640);
    CHECK(f.load("{\"" + std::to_string(next) + "\": {\"content\": \"<x>\"}}").id_of("<x>") == next);
    f.refuses(R"({"701": {"content": "<x>"}})", "\"<x>\" is declared with the id 701");
}

TEST_CASE("a vocabulary that writes the same entry twice loads, an unknown token is missed where it is needed") {
    Scratch scratch;
    Tokenizer t = Tokenizer::load(scratch.put("tokenizer.json", R"({"model": {"type": "BPE", "unk_token": "<none>",
        "vocab": {"a": 0, "b": 1, "a": 0, "ab": 2}, "merges": ["a b", "a b"]}})"));
    CHECK(t.encode("abb", SpecialTokens::none).ids == std::vector<std::int32_t>{2, 1});
    CHECK_THROWS_WITH_AS(t.encode("abc", SpecialTokens::none),
                         doctest::Contains("neither \"c\" nor the unk_token \"<none>\""), InputError);
}
