// Damaged tokenizer.json and data files: read as something else or refused with an Error, never a crash.
#include <doctest/doctest.h>

#include <random>

#include "models/io/files.h"
#include "models/text/dataset/dataset.h"
#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::filesystem::path models(TANDEM_TEST_DATA);

// A byte changed, a piece cut out, or a piece put in twice.
std::string damaged(std::string text, std::mt19937& random) {
    std::size_t at = random() % text.size(), count = 1 + random() % 12;
    switch (random() % 3) {
        case 0: text[at] = char(random()); break;
        case 1: text.erase(at, count); break;
        default: text.insert(at, text.substr(at, count)); break;
    }
    return text;
}

template <class F> void survives(const std::string& text, const std::string& name, int rounds, F&& read) {
    Scratch s;
    std::mt19937 random(7);
    for (int i = 0; i < rounds; i++) {
        s.put(name, damaged(text, random));
        try {
            read(s.path / name);
        } catch (const Error& e) {
            CHECK(std::string(e.what()).find(name) != std::string::npos);
        }
    }
}

}  // namespace

TEST_CASE("a damaged tokenizer.json is refused or works") {
    for (const char* model : {"llama2-mha", "llama3-gqa"})
        survives(read_file(models / "models" / model / "tokenizer.json"), "tokenizer.json", 300,
                 [](const std::filesystem::path& file) {
                     Tokenizer t = Tokenizer::load(file);
                     Encoding e = t.encode("Hello, wörld! <s> 123", SpecialTokens::add);
                     t.decode(e.ids, DecodeSpecial::keep);
                 });
}

TEST_CASE("damaged data is refused or read") {
    Tokenizer tokenizer = Tokenizer::load(models / "models" / "llama2-mha" / "tokenizer.json");
    TextTools tools{&tokenizer, {"<s>", "</s>"}, ChatTemplate::named("llama2"), {}};
    const std::string lines =
        R"({"input_ids": [1, 2, 3, 4], "labels": [-100, 2, 3, 4]})"
        "\n"
        R"({"messages": [{"role": "user", "content": "a ü"}, {"role": "assistant", "content": "b"}]})"
        "\n"
        R"({"instruction": "add", "input": "1", "output": "2"})"
        "\n"
        R"({"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]})"
        "\n"
        R"({"text": "plain \u00e9 text"})"
        "\n";
    survives(lines, "data.jsonl", 1500, [&](const std::filesystem::path& file) {
        read_dataset(file, &tools, {.context_length = 64, .vocab = 512});
    });
}
