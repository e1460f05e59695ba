#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "models/text/tokenizer.h"
#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using nlohmann::json;
using tandem::test::Scratch;

namespace {

json small() {
    return json::parse(R"({
        "added_tokens": [{"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                          "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Isolated", "invert": false},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                      {"Sequence": {"id": "A", "type_id": 0}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3, "<unk>": 4}, "merges": ["a b"]}})");
}

// Loading must fail, and the message must name the file and say this.
void check_refused(const Scratch& scratch, const std::string& text, const std::string& says) {
    CAPTURE(says);
    std::filesystem::path file = scratch.put("tokenizer.json", text);
    std::string said;
    try {
        Tokenizer::load(file);
    } catch (const InputError& e) {
        said = e.what();
    }
    CHECK_MESSAGE(said.starts_with("[" + file.string() + "]"), said);
    CHECK_MESSAGE(said.find(says) != std::string::npos, said);
}

struct Change {
    const char* path;   // JSON pointer
    const char* value;  // JSON; empty: the member goes
    const char* says;
};

const Change changes[] = {
    {"/model", "", "\"model\""},
    {"/model", "3", "model"},
    {"/model/type", "\"Unigram\"", "model.type: the model \"Unigram\""},
    {"/model/dropout", "0.1", "model.dropout"},
    {"/model/dropout", "1e-9", "model.dropout"},
    {"/model/dropout", "-1", "model.dropout"},
    {"/model/dropout", "\"0\"", "model.dropout: expected a number"},
    {"/model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix"},
    {"/model/continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix"},
    {"/model/unk_token", "3", "model.unk_token"},
    {"/model/fuse_unk", "1", "model.fuse_unk"},
    {"/model/merges", "[\"a c\"]", "\"c\""},
    {"/model/merges", "[\"b a\"]", "\"ba\""},
    {"/model/merges", "[\"ab\"]", "merges[0]"},
    {"/model/merges", "[\"a b c\"]", "merges[0]"},
    {"/model/merges", "[[\"a\"]]", "merges[0]"},
    {"/model/merges", "[[\"a\",\"b\",\"c\"]]", "third"},
    {"/model/merges", "[[\"a\",[\"b\"]]]", "merges[0]"},
    {"/model/merges", "[7]", "merges[0]"},
    {"/model/merges", "[{}]", "merges[0]"},
    {"/model/vocab/b", "0", "stands twice"},
    {"/model/vocab/b", "-1", "\"b\""},
    {"/model/vocab/b", "99999999999999999999", "\"b\""},
    {"/model/vocab/b", "1000000000", "\"b\""},
    {"/model/vocab/b", "1.5", "\"b\""},
    {"/model/vocab/b", "\"1\"", "\"b\""},
    {"/model/vocab/b", "{}", "\"b\""},
    {"/added_tokens/0/id", "2", "\"ab\""},
    {"/added_tokens/0/id", "-5", "added_tokens[0].id"},
    {"/added_tokens/0/content", "\"a\"", "added_tokens[0].id"},
    {"/added_tokens/0/content", "null", "added_tokens[0].content"},
    {"/added_tokens/1",
     R"({"id": 6, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
         "special": true})", "the token \"<s>\" stands twice, with the ids 5 and 6"},
    {"/added_tokens/1",
     R"({"id": 5, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
         "special": true})", "the id 5 stands twice"},
    {"/added_tokens/0/special", "", "\"special\""},
    {"/added_tokens", "{}", "added_tokens"},
    {"/normalizer", "{\"type\":\"Lowercase\"}", "normalizer.type: the normalizer \"Lowercase\""},
    {"/normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\"}]}",
     "normalizer.normalizers[0]"},
    {"/normalizer", "[]", "normalizer"},
    {"/pre_tokenizer/type", "\"Whitespace\"", "pre_tokenizer.type"},
    {"/pre_tokenizer/behavior", "\"isolated\"", "pre_tokenizer.behavior"},
    {"/pre_tokenizer/pattern", "{}", "pre_tokenizer.pattern"},
    {"/pre_tokenizer/pattern/Regex", "\"(\"", "pre_tokenizer.pattern.Regex"},
    {"/pre_tokenizer/pattern/Regex", "\"[[:alpha:]]\"", "class within a class"},
    {"/pre_tokenizer/pattern/Regex", "\"\\\\bx\"", "\\b"},
    {"/pre_tokenizer/pattern/Regex", "\"(?<n>a)\"", "(?<n"},
    {"/pre_tokenizer/pattern/Regex", "\"a{,3}\"", "{"},
    {"/pre_tokenizer/pattern/Regex", "\"[a\"", "["},
    {"/pre_tokenizer/pattern/Regex", "\"\\\\p{Nonsense}\"", "pattern"},
    {"/pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "pre_tokenizer.replacement"},
    {"/pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}",
     "prepend_scheme"},
    {"/post_processor/type", "\"RobertaProcessing\"", "post_processor.type"},
    {"/post_processor/single", "[]", "post_processor.single"},
    {"/post_processor/single", "[{\"Sequence\":{\"id\":\"B\"}}]", "post_processor.single[0]"},
    {"/post_processor/special_tokens", "{}", "\"<s>\""},
    {"/post_processor/special_tokens/<s>/ids", "[6]", "ids[0]"},
    {"/decoder/type", "\"WordPiece\"", "decoder.type"},
    {"/decoder", "{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}", "decoder.start"},
};

}  // namespace

TEST_CASE("a tokenizer.json with one thing wrong is refused, by name and path") {
    Scratch scratch;
    Tokenizer fine = Tokenizer::load(scratch.put("tokenizer.json", small().dump()));
    CHECK(fine.encode("ab b", SpecialTokens::add).ids == std::vector<std::int32_t>{5, 2, 3, 1});
    for (const Change& change : changes) {
        json spec = small();
        json::json_pointer at(change.path);
        if (*change.value) spec[at] = json::parse(change.value);
        else spec[at.parent_pointer()].erase(at.back());
        check_refused(scratch, spec.dump(), change.says);
    }
}

TEST_CASE("what no JSON library would write is refused too") {
    Scratch scratch;
    check_refused(scratch, "", "no valid JSON");
    check_refused(scratch, "[]", "expected an object");
    check_refused(scratch, "null", "expected an object");
    check_refused(scratch, R"({"model": {"vocab": {"a": 0, "a": 1}, "merges": []}})", "stands twice");
    check_refused(scratch, R"({"model": {"vocab": {}}, "model": {}})", "stands twice");
    check_refused(scratch, R"({"model": {"vocab": {"a": 0}, "merges": []}} x)", "no valid JSON");
    check_refused(scratch, std::string(1000, '['), "nested deeper");
    check_refused(scratch, "{\"a\": \"\xFF\"}", "no valid JSON");
    CHECK_THROWS_WITH_AS(Tokenizer::load("/nowhere/tokenizer.json"), doctest::Contains("/nowhere/tokenizer.json"),
                         InputError);
}

TEST_CASE("broken files end in an InputError, never in a crash") {
    Scratch scratch;
    const std::string original = small().dump();
    auto survives = [&](const std::string& text) {
        try {
            Tokenizer t = Tokenizer::load(scratch.put("tokenizer.json", text));
            Encoding e = t.encode("ab  <s> b\xC3\xA9 \xF0\x9F\x99\x82<unk>", SpecialTokens::add);
            t.decode(e.ids, DecodeSpecial::keep);
        } catch (const Error&) {
        }
    };
    for (std::size_t cut = 0; cut < original.size(); cut += 3) survives(original.substr(0, cut));
    std::mt19937 random(1);
    const std::string pieces[] = {"0", "-1", "null", "\"\"", "[]", "{}", "\"",
                                  ",", "1e9", "\\u0000", "\"type\"", "(", "]"};
    for (int round = 0; round < 2000; round++) {
        std::string text = original;
        for (int edits = 1 + round % 3; edits > 0; edits--) {
            std::size_t at = random() % text.size();
            const std::string& piece = pieces[random() % std::size(pieces)];
            text.replace(at, random() % 2 ? piece.size() : 0, piece);
        }
        survives(text);
    }
}
