#include <doctest/doctest.h>

#include <algorithm>

#include "models/text/dataset/preview.h"
#include "runtime/utf8.h"
#include "tests/models/text/dataset/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const char* chat = R"({"messages": [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]})";

}  // namespace

TEST_CASE("text: all supervised, BOS in front once, EOS at the end once") {
    TextModel m = llama3();
    for (std::string text : {"A small text.", "<|begin_of_text|>A small text.", "A small text.<|eot_id|>"}) {
        Dataset data = m.read("{\"text\": \"" + text + "\"}");
        CHECK(m.decode(data[0].ids) == "<|begin_of_text|>A small text.<|eot_id|>");
        CHECK(m.supervised(data[0]) == m.decode(data[0].ids));
        CHECK(data.supervised(0) == data.length(0) - 1);
    }
    CHECK(m.read("{\"text\": \"\"}").length(0) == 2);  // BOS and EOS
}

TEST_CASE("instructions: Alpaca's prompts, the response and EOS supervised") {
    for (const TextModel& m : {llama2(), llama3()}) {
        const auto& [bos, eos] = m.tools.special;
        Dataset data = m.read(
            "{\"instruction\": \"Add.\", \"input\": \"2+2\", \"output\": \"It is {4}\"}\n"
            "{\"instruction\": \"Name a colour.\", \"input\": \"\", \"output\": \"Blue\\nor red\"}\n"
            "{\"instruction\": \"Say {}.\", \"output\": \"{}\", \"text\": \"not this\"}\n"
            "{\"instruction\": \"a\", \"input\": null, \"output\": \"\"}\n");
        std::string space = bos == "<s>" ? " " : "";  // Llama 2's decoder leaves the space that its normalizer prepends
        CHECK(m.decode(data[0].ids) ==
              bos + space +
                  "Below is an instruction that describes a task, paired with an input that provides further "
                  "context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n"
                  "### Input:\n2+2\n\n### Response:It is {4}" +
                  eos);
        CHECK(m.supervised(data[0]) == "It is {4}" + eos);
        CHECK(m.decode(data[1].ids) ==
              bos + space +
                  "Below is an instruction that describes a task. Write a response that appropriately completes the "
                  "request.\n\n### Instruction:\nName a colour.\n\n### Response:Blue\nor red" +
                  eos);
        CHECK(m.supervised(data[1]) == "Blue\nor red" + eos);
        CHECK(m.supervised(data[2]) == "{}" + eos);
        CHECK(m.supervised(data[3]) == eos);
        for (int i = 0; i < 4; i++) CHECK(m.count(data[i], bos.c_str()) == 1);
    }
}

TEST_CASE("conversations: every assistant turn and its end token supervised, BOS once") {
    TextModel m = llama3();
    std::string one_line = chat;
    one_line.erase(std::remove(one_line.begin(), one_line.end(), '\n'), one_line.end());
    Dataset data = m.read(one_line);
    CHECK(m.supervised(data[0]) == "Hello!<|eot_id|>4<|eot_id|>");
    CHECK(m.count(data[0], "<|begin_of_text|>") == 1);
    CHECK(data[0].ids[0] == *m.tokenizer.id_of("<|begin_of_text|>"));

    Dataset sharegpt = m.read(
        "{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi there\"},"
        "{\"from\": \"gpt\", \"value\": \"Hello!\"}, {\"from\": \"human\", \"value\": \"2+2?\"},"
        "{\"from\": \"gpt\", \"value\": \"4\"}]}");
    CHECK(std::ranges::equal(sharegpt[0].ids, data[0].ids));
    CHECK(std::ranges::equal(sharegpt[0].labels, data[0].labels));

    TextModel l2 = llama2();
    Dataset second = l2.read(one_line);
    CHECK(l2.count(second[0], "<s>") == 2);  // its template writes one before each user turn, the first not doubled
    CHECK(second[0].ids[0] == 1);
    CHECK(second[0].ids[1] != 1);
    CHECK(l2.count(second[0], "</s>") == 2);
    CHECK(second[0].labels.back() == 2);
    // "▁4" is one token across the border of the span, and is what has to be generated
    CHECK(l2.supervised(second[0]).find("4") != std::string::npos);
    CHECK(l2.supervised(second[0]).find("[/INST]") == std::string::npos);
}

TEST_CASE("a cut through the response keeps its end token") {
    TextModel m = llama3();
    std::string text = "{\"instruction\": \"a\", \"output\": \"one two three four five six seven eight\"}";
    std::int64_t whole = m.read(text).length(0);
    CHECK(m.error(text, {.context_length = whole - 1, .vocab = 1000}) ==
          "1: expected at most " + std::to_string(whole - 1) + " tokens, got " + std::to_string(whole) +
              "; raise context_length or set truncate");
    Dataset cut = m.read(text, {.context_length = whole - 4, .vocab = 1000, .truncate = true});
    CHECK(cut.length(0) == whole - 4);
    CHECK(m.supervised(cut[0]).starts_with("one two"));
    CHECK(m.supervised(cut[0]).ends_with("<|eot_id|>"));
    CHECK(m.error(text, {.context_length = 20, .vocab = 1000, .truncate = true}) ==
          "1: no supervised token is left of " + std::to_string(m.read(text).supervised(0)) +
              " by the cut to 20 of the " + std::to_string(whole) +
              " tokens of this sample; raise context_length or leave the sample out");
}

TEST_CASE("bad text samples are named by file and line") {
    TextModel m = llama2();
    std::string good = "{\"text\": \"a\"}\n";
    CHECK(m.error(good + "{\"text\": 1}") == "2: expected text to be text, got number");
    CHECK(m.error(good + "{\"instruction\": \"a\"}") == "2: expected output, which is missing");
    CHECK(m.error(good + "{\"instruction\": \"a\", \"output\": [\"b\"]}") ==
          "2: expected output to be text, got array");
    CHECK(m.error(good + "{\"messages\": []}") == "2: expected messages to be a list of turns, got []");
    CHECK(m.error(good + "{\"messages\": [\"a\"]}") == "2: turn 1: expected an object, got string");
    CHECK(m.error(good + "{\"messages\": [{\"role\": \"user\"}]}") == "2: turn 1: expected content, which is missing");
    CHECK(m.error(good + "{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}") ==
          "2: turn 1: expected a turn of system, user (human) or assistant (gpt), got 'tool'");
    CHECK(m.error(good + "{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}]}")
              .find("Conversation roles must") != std::string::npos);
    CHECK(m.error(good + "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}")
              .starts_with("2: no supervised token"));
    CHECK(
        m.error(good, {.context_length = 9, .vocab = 2}).starts_with("1: expected ids below the vocabulary's 2, got "));
    m.tools.chat.reset();
    m.tools.no_chat = "the checkpoint has no chat template; name one with chat_template";
    CHECK(m.error(good + chat).starts_with("2: broken JSON"));  // over two lines, which JSONL has not
    CHECK(m.error("[" + good + ",\n" + chat + "]") == "3: " + m.tools.no_chat);
    m.tools.special.eos = "<no such>";
    CHECK(m.error(good).starts_with("1: expected the tokenizer to have an end token, got eos_token '<no such>'"));
}

TEST_CASE("the preview sets apart what is supervised") {
    TextModel m = llama3();
    Dataset data = m.read(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Ça "
        "🙂\"}]}");
    std::string head =
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n";
    CHECK(preview(data[0], &m.tokenizer, Colour::off) == head + "⟦Ça 🙂<|eot_id|>⟧");
    CHECK(preview(data[0], &m.tokenizer, Colour::on) == head + "\x1b[32mÇa 🙂<|eot_id|>\x1b[0m");
    Ids ids{5, 6, 7, 8}, labels{5, -100, 9, -100};
    CHECK(preview({ids, labels}, nullptr, Colour::off) == "5 6⟦ 7⟧ 8");  // the first label is no target
    CHECK(preview({{}, {}}, nullptr, Colour::off) == "");
    // What would steer a terminal is written out.
    data = m.read(R"({"instruction": "\u001b[2J\u0007", "output": "a\u009bb\tc\n"})");
    std::string shown = preview(data[0], &m.tokenizer, Colour::off);
    CHECK(shown.find("\\x1b[2J\\x07\n") != std::string::npos);
    CHECK(shown.ends_with("⟦a\\xc2\\x9bb\tc\n<|eot_id|>⟧"));
}

TEST_CASE("the preview is UTF-8 wherever supervision begins within a character") {
    TextModel m = llama3();
    Ids ids = m.tokenizer.encode("é€🙂é", SpecialTokens::none).ids;
    for (std::size_t begin = 1; begin < ids.size(); begin++)
        for (std::size_t end = begin + 1; end <= ids.size(); end++) {
            Ids labels(ids.size(), not_supervised);
            std::copy(ids.begin() + std::ptrdiff_t(begin), ids.begin() + std::ptrdiff_t(end),
                      labels.begin() + std::ptrdiff_t(begin));
            std::string shown = preview({ids, labels}, &m.tokenizer, Colour::off);
            CAPTURE(shown);
            CHECK(valid_utf8(shown) == shown.size());
            CHECK(shown.find("\\x") == std::string::npos);
        }
}
