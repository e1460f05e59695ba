#include "models/text/tokenizer_config.h"

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;

TEST_CASE("tokenizer_config.json in its old and new forms") {
    test::Scratch scratch;
    auto with = [&](const char* name, const std::string& content) {
        scratch.put(name, content);
        return read_tokenizer_config(scratch.path);
    };
    TokenizerConfig none = read_tokenizer_config(scratch.path);
    CHECK(none.special.bos.empty());
    CHECK(!none.chat_template);

    TokenizerConfig c = with("tokenizer_config.json", R"({"bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": false},
        "chat_template": "{{ bos_token }}"})");
    CHECK(c.special.bos == "<s>");
    CHECK(c.special.eos == "</s>");
    CHECK(c.chat_template == "{{ bos_token }}");

    c = with("tokenizer_config.json", R"({"bos_token": null, "chat_template": [{"name": "tool_use", "template": "x"},
        {"name": "default", "template": "y"}]})");
    CHECK(c.special.bos.empty());
    CHECK(c.chat_template == "y");

    CHECK(with("chat_template.jinja", "z\n").chat_template == "z\n");

    for (const char* broken : {"", "{", "[]", "3", R"({"bos_token": 3})", R"({"eos_token": {}})",
                               R"({"chat_template": 1})",
                               R"({"chat_template": [{"name": "default"}]})", R"({"chat_template": ["x"]})"})
        CHECK_THROWS_WITH_AS(with("tokenizer_config.json", broken), doctest::Contains("tokenizer_config.json"),
                             InputError);
}
