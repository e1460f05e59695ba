#include "models/text/chat_template.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "models/text/jinja_fingerprint.h"
#include "runtime/error.h"

using namespace tandem;
using nlohmann::json;

namespace {

std::string string_or_empty(const json& j) { return j.is_string() ? j.get<std::string>() : ""; }

std::vector<Message> messages_of(const json& c) {
    std::vector<Message> out;
    for (const json& m : c["messages"]) out.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
    return out;
}

// Byte position of a character.
std::size_t byte_of(const std::string& text, std::size_t character) {
    std::size_t at = 0;
    for (; character > 0; character--)
        do at++;
        while (at < text.size() && (text[at] & 0xC0) == 0x80);
    return at;
}

void check_file(const std::string& name) {
    json templates = json::parse(std::ifstream(TANDEM_TEST_DATA "/" + name));
    REQUIRE(templates.size() >= 6);
    for (const json& t : templates) {
        CAPTURE(t["name"].get<std::string>());
        ChatTemplate chat = ChatTemplate::recognise(t["jinja"].get<std::string>());
        CHECK(chat.name() == t["name"]);
        SpecialStrings special{string_or_empty(t["bos_token"]), string_or_empty(t["eos_token"])};
        for (const json& c : t["cases"]) {
            auto messages = messages_of(c);
            bool ask = c["add_generation_prompt"].get<bool>();
            if (c.contains("error")) {
                std::string said;
                try {
                    chat.render(messages, special, ask ? GenerationPrompt::add : GenerationPrompt::none);
                } catch (const InputError& e) {
                    said = e.what();
                }
                CHECK(said.ends_with(c["error"].get<std::string>()));
                continue;
            }
            Rendered r = chat.render(messages, special, ask ? GenerationPrompt::add : GenerationPrompt::none);
            CHECK(r.text == c["text"].get<std::string>());
            std::size_t assistants = 0;
            for (const Message& m : messages) assistants += m.role == "assistant";
            CHECK(r.supervised.size() == assistants);
            if (!c.contains("supervised")) continue;
            for (std::size_t i = 0; i < r.supervised.size(); i++) {
                CHECK(r.supervised[i].begin == byte_of(r.text, c["supervised"][i][0].get<std::size_t>()));
                CHECK(r.supervised[i].end == byte_of(r.text, c["supervised"][i][1].get<std::size_t>()));
            }
        }
    }
}

}  // namespace

TEST_CASE("the golden templates render as their Jinja does, supervised ranges included") {
    check_file("chat_cases.json");
}

TEST_CASE("the other published templates render as their Jinja does") { check_file("chat_published.json"); }

TEST_CASE("templates are known by name, and an unknown one lists the names") {
    for (const std::string& name : ChatTemplate::names()) CHECK(ChatTemplate::named(name).name() == name);
    CHECK_THROWS_WITH_AS(ChatTemplate::named("alpaca"), doctest::Contains("llama3.1"), InputError);
    CHECK_THROWS_WITH_AS(ChatTemplate::recognise("{{ bos_token }}"), doctest::Contains("set chat_template to"),
                         InputError);
    for (const char* broken : {"", "{", "{{", "{%", "{% 'x", "{# never", "{{-", "{%-%}", "{{ 'a\\", "-}}"})
        CHECK_THROWS_AS(ChatTemplate::recognise(broken), InputError);
}

TEST_CASE("how a template is written makes no difference, what it says does") {
    std::uint64_t plain = jinja_fingerprint("{% for m in messages %}{{ '<' + m['role'] + '>\n' }}{% endfor %}");
    CHECK(plain == jinja_fingerprint("{%for m in messages%}\n  {# words #}\n{{\"<\" + m.role+'>\\n'}}{% endfor %}\n"));
    CHECK(plain == jinja_fingerprint("{%- for m in messages -%}  {{- '<' + m['role'] + '>\\n' -}}\r\n{%- endfor -%}"));
    CHECK(plain != jinja_fingerprint("{% for m in messages %} {{ '<' + m['role'] + '>\n' }}{% endfor %}"));
    CHECK(plain != jinja_fingerprint("{% for m in messages %}{{ '<' + m['role'] + ' >\n' }}{% endfor %}"));
    CHECK(plain != jinja_fingerprint("{% for m in messages %}{{ '<' + m['content'] + '>\n' }}{% endfor %}"));
}

TEST_CASE("what a template needs and does not get is an error") {
    std::vector<Message> turns{{"user", "q"}, {"assistant", "a"}};
    auto render = [](const char* name, const std::vector<Message>& messages, const SpecialStrings& special) {
        return ChatTemplate::named(name).render(messages, special, GenerationPrompt::none);
    };
    CHECK_THROWS_WITH_AS(render("llama3", turns, {}), doctest::Contains("bos_token"), InputError);
    CHECK_THROWS_WITH_AS(render("mistral", turns, {"<s>", ""}), doctest::Contains("eos_token"), InputError);
    CHECK_THROWS_WITH_AS(render("chatml", {{"tool", "x"}}, {}), doctest::Contains("tool"), InputError);
    CHECK_THROWS_AS(render("llama3", {{"user", "\xE2\x80"}}, {"<s>", ""}), InputError);
}

TEST_CASE("every template knows what ends the assistant's turn") {
    const std::map<std::string, std::string> ends{
        {"llama2", "</s>"},       {"llama3", "<|eot_id|>"},      {"llama3-prompt", "<|eot_id|>"},
        {"llama3.1", "<|eot_id|>"}, {"mistral", "</s>"},         {"mistral-v0.1", "</s>"},
        {"chatml", "<|im_end|>"}, {"qwen1.5", "<|im_end|>"},     {"qwen2", "<|im_end|>"},
        {"qwen2.5", "<|im_end|>"}, {"qwen2.5-base", "<|im_end|>"}, {"smollm2", "<|im_end|>"},
    };
    for (const std::string& name : ChatTemplate::names())
        CHECK(ChatTemplate::named(name).end_token({"<s>", "</s>"}) == ends.at(name));
    CHECK_THROWS_WITH_AS(ChatTemplate::named("llama2").end_token({"<s>", ""}), doctest::Contains("eos_token"),
                         InputError);
}
