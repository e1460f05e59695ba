#include "models/text/tokenizer_config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "runtime/error.h"

using namespace tandem;

TEST_CASE("tokenizer_config.json in its old and new forms") {
    auto folder = std::filesystem::temp_directory_path() / ("tandem-config-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder);
    auto with = [&](const char* name, const std::string& content) {
        std::ofstream(folder / name, std::ios::binary) << content;
        return read_tokenizer_config(folder);
    };
    TokenizerConfig none = read_tokenizer_config(folder);
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
    std::filesystem::remove_all(folder);
}
