#include "models/text/dataset/conversation.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/models/text/dataset/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// Two turns of the assistant, the first with `first` in it, the second with `second`.
std::string marked(const std::string& first, const std::string& second) {
    return R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "wrong")" + first +
           R"(}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "good")" + second + "}]}";
}

std::string turn(const std::string& role, const std::string& more) {
    return R"({"messages": [{"role": "user", "content": "a"}, {"role": ")" + role + R"(", "content": "x", )" + more +
           R"(}, {"role": "assistant", "content": "good"}]})";
}

}  // namespace

TEST_CASE("a turn of the assistant that is marked with 0 or false is not supervised") {
    TextModel m = llama3();
    for (std::string key : {"weight", "train", "training", "loss"}) {
        for (std::string off : {"0", "false", "0.0"})
            for (std::string on : {"1", "true", "1.0", "null"}) {
                Dataset data = m.read(marked(", \"" + key + "\": " + off, ", \"" + key + "\": " + on));
                CHECK(m.supervised(data[0]) == "good<|eot_id|>");
                CHECK(data.unused_keys() == "");
            }
        CHECK(m.supervised(m.read(marked(", \"" + key + "\": 0", ""))[0]) == "good<|eot_id|>");
        CHECK(m.supervised(m.read(marked(", \"" + key + "\": null", ""))[0]) == "wrong<|eot_id|>good<|eot_id|>");
        CHECK(m.error(marked(", \"" + key + "\": 0", ", \"" + key + "\": 0")).starts_with("1: no supervised token"));
    }
    CHECK(m.supervised(m.read(marked(", \"weight\": 1, \"train\": false", ", \"loss\": true, \"training\": 1"))[0]) ==
          "good<|eot_id|>");
}

TEST_CASE("turns are marked in every template") {
    for (const std::string& name : ChatTemplate::names()) {
        TextModel m = llama3();
        m.tools.chat = ChatTemplate::named(name);
        CAPTURE(name);
        std::string first = m.supervised(m.read(marked("", ", \"weight\": 0"))[0]);
        std::string second = m.supervised(m.read(marked(", \"weight\": 0", ""))[0]);
        CHECK(first.find("wrong") != std::string::npos);
        CHECK(first.find("good") == std::string::npos);
        CHECK(second.find("good") != std::string::npos);
        CHECK(second.find("wrong") == std::string::npos);
    }
}

TEST_CASE("ShareGPT turns are marked as well") {
    TextModel m = llama3();
    Dataset data = m.read(  // as Open-Orca/SlimOrca writes them
        R"({"conversations": [{"from": "system", "value": "s", "weight": null}, )"
        R"({"from": "human", "value": "a", "weight": 0.0}, {"from": "gpt", "value": "wrong", "weight": 0}, )"
        R"({"from": "human", "value": "b", "weight": 0}, {"from": "gpt", "value": "good", "weight": 1.0}]})");
    CHECK(m.supervised(data[0]) == "good<|eot_id|>");
}

TEST_CASE("marks that cannot be followed are refused by name") {
    TextModel m = llama3();
    for (std::string key : {"weight", "train", "training", "loss"}) {
        for (std::string value : {"0.5", "2", "-1", "\"false\"", "[0]", "{}", "1e300"})
            CHECK(m.error(marked(", \"" + key + "\": " + value, ""))
                      .starts_with("1: turn 2: expected " + key + " to be 0, 1, false or true, got "));
        for (std::string role : {"user", "system"}) {
            for (std::string on : {"1", "true", "1.0"})
                CHECK(m.error(turn(role, "\"" + key + "\": " + on))
                          .starts_with("1: turn 2: " + key + " is " + on + ", but only turns of the assistant are "));
            CHECK(m.error(turn(role, "\"" + key + "\": 0")) == "no error");
            CHECK(m.error(turn(role, "\"" + key + "\": null")) == "no error");
        }
    }
}

TEST_CASE("system becomes the first turn") {
    TextModel m = llama3();
    const std::string rest = R"({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
    const std::string system = R"({"role": "system", "content": "Be brief."}, )";
    Dataset expected = m.read("{\"messages\": [" + system + rest + "}");
    for (std::string record : {"{\"system\": \"Be brief.\", \"messages\": [" + rest + "}",
                               "{\"messages\": [" + rest + ", \"system\": \"Be brief.\"}"}) {
        Dataset data = m.read(record);
        CHECK(list(data[0].ids) == list(expected[0].ids));
        CHECK(list(data[0].labels) == list(expected[0].labels));
        CHECK(data.unused_keys() == "");
    }
    Dataset without = m.read("{\"messages\": [" + rest + "}");
    for (std::string nothing : {"null", "\"\""})
        CHECK(list(m.read("{\"system\": " + nothing + ", \"messages\": [" + rest + "}")[0].ids) ==
              list(without[0].ids));
    CHECK(m.error("{\"system\": \"Be brief.\", \"messages\": [" + system + rest + "}") ==
          "1: \"system\" stands beside a turn of the system; keep one of them");
    CHECK(m.error("{\"system\": [\"a\"], \"messages\": [" + rest + "}") == "1: expected system to be text, got array");
    CHECK(m.supervised(m.read(R"({"system": "s", "conversations": [{"from": "human", "value": "a"},)"
                              R"({"from": "gpt", "value": "b"}]})")[0]) == "b<|eot_id|>");
}

TEST_CASE("keys of a turn that could change its text are refused by name, unless they hold nothing") {
    TextModel m = llama3();
    for (std::string key :
         {"tool_calls", "function_call", "name", "refusal", "reasoning_content", "thinking", "tool_call_id", "audio",
          "train_detail", "images", "prefix", "masked", "annotations", "value", "any \\u001b other"}) {
        for (std::string value : {"\"x\"", "[{\"a\": 1}]", "{\"a\": 1}", "3", "false", "true"}) {
            std::string error = m.error(turn("user", "\"" + key + "\": " + value));
            std::string shown = key.starts_with("any") ? "any \\x1b other" : key;
            CHECK(error == "1: turn 2: \"" + shown +
                               "\" could change the text of the turn or what is trained on, and "
                               "cannot be used; remove it");
        }
        for (std::string nothing : {"null", "\"\"", "[]", "{}"})
            CHECK(m.error(turn("user", "\"" + key + "\": " + nothing)) == "no error");
    }
    CHECK(m.error(R"({"messages": [{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]})")
              .starts_with("1: turn 1: \"tool_calls\""));
    CHECK(m.error(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]})") ==
          "1: turn 1: expected content to be text, got a list of parts; join their texts");
    CHECK(m.error(R"({"messages": [{"role": "user", "role": "assistant", "content": "a"}]})") ==
          "1: turn 1: \"role\" is given twice; keep one");
}

TEST_CASE("keys of a turn that say where it is from are listed") {
    TextModel m = llama3();
    Dataset data = m.read(turn("user", R"("id": 7, "timestamp": "2024-01-01", "metadata": {"a": 1}, "audio": null)"));
    CHECK(data.unused_keys() == "messages[].id, messages[].metadata, messages[].timestamp");
}
