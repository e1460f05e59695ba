// Keys of records as data sets that people train on have them.
#include "models/text/dataset/record_keys.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/models/text/dataset/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::string turns = R"("messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
const std::string instruction = R"("instruction": "a", "input": "", "output": "b")";
const std::string text = R"("text": "a")";

}  // namespace

TEST_CASE("keys that cannot change what is trained on are listed") {
    TextModel m = llama3();
    auto unused = [&](const std::string& record) { return m.read("{" + record + "}").unused_keys(); };
    CHECK(unused(turns) == "");
    CHECK(unused(instruction) == "");
    CHECK(unused(text) == "");
    for (const std::string& kind : {turns, instruction, text})
        CHECK(unused("\"id\": 3, " + kind + ", \"source\": \"web\", \"category\": [\"x\"], \"score\": 0.3") ==
              "category, id, score, source");
    // tatsu-lab/alpaca, HuggingFaceH4/ultrachat_200k, wikimedia/wikipedia, a fine-tuning file of OpenAI
    CHECK(unused(instruction + ", \"text\": \"Below is an instruction …\"") == "text");
    CHECK(unused("\"prompt\": \"a\", \"prompt_id\": \"f0\", " + turns) == "prompt, prompt_id");
    CHECK(unused("\"id\": \"12\", \"url\": \"u\", \"title\": \"t\", " + text) == "id, title, url");
    CHECK(unused(turns + ", \"parallel_tool_calls\": true, \"tools\": []") == "parallel_tool_calls, tools");
    CHECK(unused(R"("id": "x_0", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}])") ==
          "id");
    CHECK(unused(turns + ", \"weight\": 1, \"train\": true") == "train, weight");
    // columns of several data sets put together
    CHECK(unused(R"("messages": null, "input_ids": null, "conversations": null, "tools": null, )" + instruction) == "");
    CHECK(unused(R"("conversations": [{"from": "gpt", "value": "other"}], )" + turns) == "conversations");
}

TEST_CASE("how often a key is not used is said where it is not always") {
    Dataset data = read_ids(
        "{\"input_ids\": [1, 2], \"id\": 1, \"note\": \"a\"}\n"
        "{\"input_ids\": [1, 2], \"id\": 2}\n"
        "{\"input_ids\": [1, 2], \"id\": 3, \"no\\u0007te\": \"\"}\n");
    CHECK(data.unused_keys() == "id, no\\x07te (1 of 3 samples), note (1 of 3 samples)");
    std::string many = "{\"input_ids\": [1, 2]";
    for (int i = 0; i < 25; i++) many += fmt::format(", \"k{:02}\": 1", i);
    std::string listed = read_ids(many + "}").unused_keys();
    CHECK(listed.starts_with("k00, k01, "));
    CHECK(listed.ends_with("k19, 5 more"));
}

TEST_CASE("keys that could change the text are refused by name, unless they hold nothing") {
    TextModel m = llama3();
    auto refused = [&](const std::string& kind, const std::string& key, const std::string& value) {
        for (std::string record :
             {"{" + kind + ", \"" + key + "\": " + value + "}", "{\"" + key + "\": " + value + ", " + kind + "}"}) {
            std::string error = m.error("{" + text + "}\n" + record);
            CAPTURE(error);
            CHECK(error.starts_with("2: \"" + key + "\" "));
            CHECK(error.find("; ") != std::string::npos);  // what to do
        }
        for (std::string nothing : {"null", "[]", "{}", "\"\""})
            CHECK(m.error("{" + kind + ", \"" + key + "\": " + nothing + "}") == "no error");
    };
    for (std::string key : {"tools", "tool_calls", "functions", "documents", "chat_template_kwargs", "history",
                            "system_prompt", "image", "images", "videos", "audio"})
        refused(turns, key, "[{\"name\": \"f\"}]");
    for (std::string key :
         {"system", "system_prompt", "history", "context", "tools", "documents", "chat_template_kwargs", "images"})
        refused(instruction, key, "\"x\"");
    refused(instruction, "history", "[[\"a\", \"b\"]]");
    for (const std::string& kind : {turns, instruction, text})
        for (std::string key : {"attention_mask", "completion_mask", "assistant_masks", "loss_mask"})
            refused(kind, key, "[0, 1]");
}

TEST_CASE("weights of records are refused unless they are 1") {
    TextModel m = llama3();
    for (const std::string& kind : {turns, instruction, text})
        for (std::string key : {"weight", "weights", "sample_weight", "train", "training", "loss"}) {
            for (std::string value : {"0", "false", "0.5", "\"no\"", "[0, 1]", "{}"})
                CHECK(m.error("{" + kind + ", \"" + key + "\": " + value + "}")
                          .starts_with("1: \"" + key + "\" would weigh this sample"));
            for (std::string value : {"1", "true", "1.0", "null"})
                CHECK(m.error("{" + kind + ", \"" + key + "\": " + value + "}") == "no error");
        }
}

TEST_CASE("a key that is given twice is refused") {
    TextModel m = llama3();
    CHECK(ids_error(R"({"input_ids": [1, 2], "input_ids": [3, 4]})") == "1: \"input_ids\" is given twice; keep one");
    for (const std::string& kind : {turns, instruction, text})
        CHECK(m.error("{" + kind + R"(, "x\u0000y": 1, "x\u0000y": 1})") == "1: \"x\\x00y\" is given twice; keep one");
}

TEST_CASE("records of no kind list what they have") {
    TextModel m = llama3();
    std::string expected = "1: expected input_ids, messages, conversations, instruction and output, or text; got ";
    CHECK(m.error(R"({"prompt": "a", "completion": "b"})") == expected + "prompt, completion");
    CHECK(m.error(R"({"instructions": "a", "text": null})") == expected + "instructions");
    CHECK(m.error(R"({"text": null})") == expected + "nothing but null");
    CHECK(m.error(R"({"a\u001bb": 1})") == expected + "a\\x1bb");
}
