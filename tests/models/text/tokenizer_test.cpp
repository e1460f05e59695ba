#include "models/text/tokenizer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using nlohmann::json;

namespace {

const std::string golden = TANDEM_TEST_DATA;

json read_json(const std::string& path) { return json::parse(std::ifstream(path)); }

using Ids = std::vector<std::int32_t>;

void check_case(const Tokenizer& t, const json& c) {
    auto text = c["text"].get<std::string>();
    CAPTURE(text);
    CHECK(t.encode(text, SpecialTokens::none).ids == c["ids"].get<Ids>());
    if (c.contains("with_special")) CHECK(t.encode(text, SpecialTokens::add).ids == c["with_special"].get<Ids>());
}

// The spans of a text are in order, lie inside it, and leave nothing out that is not white space.
void check_spans(const Tokenizer& t, const std::string& text) {
    CAPTURE(text);
    Encoding e = t.encode(text, SpecialTokens::none);
    REQUIRE(e.ids.size() == e.spans.size());
    std::size_t covered = 0;
    for (auto s : e.spans) {
        REQUIRE(s.begin <= s.end);
        REQUIRE(s.end <= text.size());
        CHECK(s.begin <= covered);
        covered = std::max(covered, s.end);
    }
    CHECK(covered == text.size());
}

void check_variants(const char* file) {
    tandem::test::Scratch scratch;
    json variants = read_json(golden + file)["variants"];
    REQUIRE(variants.size() > 30);
    for (const json& v : variants) {
        CAPTURE(v["base"].get<std::string>());
        CAPTURE(v["name"].get<std::string>());
        json spec = read_json(golden + "/models/" + v["base"].get<std::string>() + "/tokenizer.json");
        if (v["name"] == "merges as strings")
            for (json& m : spec["model"]["merges"]) m = m[0].get<std::string>() + " " + m[1].get<std::string>();
        for (auto& [key, value] : v["changes"].items()) {
            if (key == "model") spec["model"].update(value);
            else if (key == "added_tokens+")
                for (const json& token : value) spec["added_tokens"].push_back(token);
            else spec[key] = value;
        }
        scratch.put("tokenizer_config.json", v.value("config", json::object()).dump());
        Tokenizer t = Tokenizer::load(scratch.put("tokenizer.json", spec.dump()));
        for (const json& c : v["cases"]) {
            check_case(t, c);
            CHECK(t.decode(c["ids"].get<Ids>(), DecodeSpecial::keep) == c["decoded"].get<std::string>());
            CHECK(t.decode(c["ids"].get<Ids>(), DecodeSpecial::skip) == c["without"].get<std::string>());
        }
        for (const json& b : v.value("bytes", json::array()))
            CHECK(t.decode(b[0].get<Ids>(), DecodeSpecial::keep) == b[1].get<std::string>());
    }
}

}  // namespace

TEST_CASE("the golden tokenizers give the golden ids and texts") {
    json cases = read_json(golden + "/tokenizer_cases.json");
    for (auto& [model, rows] : cases.items()) {
        CAPTURE(model);
        Tokenizer t = Tokenizer::load(golden + "/models/" + model + "/tokenizer.json");
        REQUIRE(rows.size() > 0);
        // The two were made differently.
        DecodeSpecial special = model == "llama2-mha" ? DecodeSpecial::skip : DecodeSpecial::keep;
        for (const json& c : rows) {
            check_case(t, c);
            CHECK(t.decode(c["ids"].get<Ids>(), special) == c["decoded"].get<std::string>());
            check_spans(t, c["text"].get<std::string>());
        }
    }
}

TEST_CASE("every form of tokenizer.json gives what the library gives") { check_variants("/tokenizer_variants.json"); }

TEST_CASE("tokens of tokenizer_config.json, and values that change nothing, give what transformers gives") {
    check_variants("/tokenizer_config_cases.json");
}

TEST_CASE("spans are bytes of the input, through normalization and the byte alphabet") {
    Tokenizer llama2 = Tokenizer::load(golden + "/models/llama2-mha/tokenizer.json");
    Encoding e = llama2.encode("</s>é b", SpecialTokens::add);
    REQUIRE(e.ids.size() == 6);  // <s> </s> ▁ <0xC3> <0xA9> ▁b
    CHECK(e.spans[0].begin == e.spans[0].end);
    CHECK((e.spans[1].begin == 0 && e.spans[1].end == 4));
    CHECK((e.spans[2].begin == 4 && e.spans[2].end == 4));  // the ▁ that Prepend put there
    CHECK((e.spans[3].begin == 4 && e.spans[3].end == 5));
    CHECK((e.spans[4].begin == 5 && e.spans[4].end == 6));
    CHECK(e.spans.back().end == 8);

    Tokenizer llama3 = Tokenizer::load(golden + "/models/llama3-gqa/tokenizer.json");
    for (const char* text : {"a b\xC3\xA9 \xF0\x9F\x99\x82!", "x<|eot_id|>\n\n  y"}) {
        std::string joined;
        for (auto s : llama3.encode(text, SpecialTokens::none).spans)
            joined += std::string(text).substr(s.begin, s.end - s.begin);
        CHECK(joined == text);  // without a normalizer the spans are a partition
    }
}

TEST_CASE("tokens and ids name each other") {
    Tokenizer t = Tokenizer::load(golden + "/models/llama3-gqa/tokenizer.json");
    CHECK(t.id_of("<|eot_id|>") == 639);
    CHECK(t.token(639) == "<|eot_id|>");
    CHECK(t.size() == 640);
    CHECK(!t.id_of("no such token"));
    CHECK_THROWS_AS(t.token(640), InputError);
    CHECK_THROWS_AS(t.token(-1), InputError);
    CHECK(t.decode(Ids{640, -1}, DecodeSpecial::keep).empty());
    CHECK_THROWS_AS(t.encode("broken \xC3", SpecialTokens::none), InputError);
    CHECK_THROWS_AS(t.encode("surrogate \xED\xA0\x80", SpecialTokens::none), InputError);
}

TEST_CASE("a long text without spaces takes n log n") {
    Tokenizer t = Tokenizer::load(golden + "/models/llama2-mha/tokenizer.json");
    std::string text;
    for (int i = 0; i < 200000; i++) text += char('a' + i * 7 % 26);
    check_spans(t, text);  // quadratic merging would take minutes
}

TEST_CASE("SmolLM2's own tokenizer") {
    const char* folder = std::getenv("TANDEM_SMOLLM2");
    if (!folder) {
        MESSAGE("skipped: TANDEM_SMOLLM2 names no folder with SmolLM2's tokenizer.json");
        return;
    }
    Tokenizer t = Tokenizer::load(std::string(folder) + "/tokenizer.json");
    CHECK(t.size() == 49152);
    Encoding e = t.encode("<|im_start|>user\nHello 123<|im_end|>\n", SpecialTokens::add);
    CHECK(e.ids == Ids{1, 4093, 198, 19556, 216, 33, 34, 35, 2, 198});
    CHECK(t.decode(e.ids, DecodeSpecial::skip) == "user\nHello 123\n");
}
