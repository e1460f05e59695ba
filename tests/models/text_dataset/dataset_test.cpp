#include "models/text/dataset/dataset.h"

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/support/scratch.h"

using namespace tandem;
using tandem::test::Scratch;

namespace {

using Ids = std::vector<std::int32_t>;
Ids list(std::span<const std::int32_t> ids) { return {ids.begin(), ids.end()}; }

Dataset read(const std::string& text, DatasetOptions options = {.context_length = 8, .vocab = 100}) {
    Scratch scratch;
    return read_dataset(scratch.put("data.jsonl", text), nullptr, options);
}

// The message after "FILE:"
std::string error(const std::string& text, DatasetOptions options = {.context_length = 8, .vocab = 100}) {
    Scratch scratch;
    std::filesystem::path file = scratch.put("data.jsonl", text);
    try {
        read_dataset(file, nullptr, options);
    } catch (const InputError& e) {
        std::string message = e.what(), name = file.string() + ":";
        return message.starts_with(name) ? message.substr(name.size()) : message;
    }
    return "no error";
}

}  // namespace

TEST_CASE("ids are taken as they are") {
    Dataset data = read(
        "{\"input_ids\": [1, 2, 3], \"labels\": [-100, 2, -100]}\n"
        "\n"
        "  {\"labels\": [9, 0], \"input_ids\": [99, 0], \"attention_mask\": [1, 1]}\r\n"
        "{\"input_ids\": [4, 5, 6, 7]}");
    REQUIRE(data.size() == 3);
    CHECK(list(data[0].ids) == Ids{1, 2, 3});
    CHECK(list(data[0].labels) == Ids{-100, 2, -100});
    CHECK(list(data[1].ids) == Ids{99, 0});
    CHECK(list(data[1].labels) == Ids{9, 0});
    CHECK(list(data[2].labels) == Ids{4, 5, 6, 7});
    CHECK(data.length(2) == 4);
    CHECK(data.supervised(0) == 1);
    CHECK(data.supervised(1) == 1);  // the first label has no token before it
    CHECK(data.supervised(2) == 3);
    CHECK(data.largest().length == 4);
    CHECK(data.largest().supervised == 3);
}

TEST_CASE("a JSON array of objects is the same") {
    for (std::string text : {"[{\"input_ids\":[1,2]},{\"input_ids\":[3,4,5]}]",
                             "\xef\xbb\xbf\n [\n{\"input_ids\":[1,2]}\n,\n{\"input_ids\": [3,\n4,5]}\n]\n"}) {
        Dataset data = read(text);
        REQUIRE(data.size() == 2);
        CHECK(list(data[1].ids) == Ids{3, 4, 5});
    }
}

TEST_CASE("a byte order mark before JSONL is no error") {
    CHECK(read("\xef\xbb\xbf{\"input_ids\":[1,2]}\n").size() == 1);
}

TEST_CASE("the limit ends the reading") {
    std::string text = "{\"input_ids\":[1,2]}\n{\"input_ids\":[1,3]}\nbroken\n";
    CHECK(read(text, {.context_length = 8, .vocab = 100, .limit = 2}).size() == 2);
    CHECK(read("[{\"input_ids\":[1,2]}, broken", {.context_length = 8, .vocab = 100, .limit = 1}).size() == 1);
    CHECK(error(text).starts_with("3: broken JSON"));
}

TEST_CASE("ids that are too long are cut only when asked") {
    DatasetOptions options{.context_length = 3, .vocab = 100};
    CHECK(error("{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2,3,4]}", options) ==
          "2: expected at most 3 tokens, got 4; raise --context-length or give --truncate");
    options.truncate = true;
    Dataset data = read("{\"input_ids\":[1,2,3,4,5], \"labels\":[-100,-100,3,4,5]}", options);
    CHECK(list(data[0].ids) == Ids{1, 2, 3});
    CHECK(list(data[0].labels) == Ids{-100, -100, 3});
    CHECK(error("{\"input_ids\":[1,2,3,4], \"labels\":[1,-100,-100,4]}", options) ==
          "1: no supervised token in the 3 of this sample");
}

TEST_CASE("bad samples are named by file and line") {
    std::string good = "{\"input_ids\":[1,2]}\n";
    CHECK(error(good + "{\"input_ids\":[1,2]").starts_with("2: broken JSON at byte 19: syntax error"));
    CHECK(error(good + good + "{'input_ids':[1,2]}").starts_with("3: broken JSON at byte 2:"));
    CHECK(error(good + "[1, 2]") == "2: expected a JSON object, got array");
    CHECK(error(good + "7") == "2: expected a JSON object, got number");
    CHECK(error(good + "null") == "2: expected a JSON object, got null");
    CHECK(error("{\"input_ids\":[1,2]} {\"input_ids\":[1,2]}").starts_with("1: broken JSON at byte 21:"));
    CHECK(error(good + "\n\n{\"prompt\": \"a\", \"answer\": \"b\"}") ==
          "4: expected input_ids, messages, conversations, instruction and output, or text; got prompt, answer");
    CHECK(error("{}") ==
          "1: expected input_ids, messages, conversations, instruction and output, or text; got an empty object");
    CHECK(error("{\"input_ids\": \"1 2\"}") == "1: expected input_ids to be a list of ids, got string");
    CHECK(error("{\"input_ids\": [1, 2.5]}") == "1: expected input_ids to hold integers, got 2.5 as number 1");
    CHECK(error("{\"input_ids\": [1, \"2\"]}") == "1: expected input_ids to hold integers, got \"2\" as number 1");
    CHECK(error("{\"input_ids\": [1, null]}") == "1: expected input_ids to hold integers, got null as number 1");
    CHECK(error("{\"input_ids\": [1, 2], \"labels\": [1]}") ==
          "1: expected as many labels as input_ids, got 1 labels for 2 ids");
    CHECK(error("{\"input_ids\": [1, 2], \"labels\": [-100, -100]}") ==
          "1: no supervised token in the 2 of this sample");
    CHECK(error("{\"input_ids\": [1, 2], \"labels\": [1, -100]}") == "1: no supervised token in the 2 of this sample");
    CHECK(error("{\"input_ids\": [1]}") == "1: no supervised token in the 1 of this sample");
    CHECK(error("{\"input_ids\": []}") == "1: no supervised token in the 0 of this sample");
    CHECK(error(good + "{\"text\": \"caf\xe9\"}") == "2: expected UTF-8, got other bytes at byte 14");
    CHECK(error(good + "{\"text\": \"\\ud800\"}").starts_with("2: broken JSON at byte"));
    CHECK(error(std::string("\xff\xfe{\0\"\0", 6)) == "1: expected UTF-8, got other bytes at byte 1");
}

TEST_CASE("ids outside the vocabulary") {
    std::string expected = "1: expected ids below the vocabulary's 100 in ";
    for (std::string id : {"100", "-1", "-100", "4294967297", "9223372036854775807", "-9223372036854775808"})
        CHECK(error("{\"input_ids\": [5, " + id + "]}") == expected + "input_ids, got " + id + " as number 1");
    for (std::string id : {"100", "-1", "-101", "4294967196"})
        CHECK(error("{\"input_ids\": [5, 6], \"labels\": [5, " + id + "]}") ==
              expected + "labels, got " + id + " as number 1");
    CHECK(error("{\"input_ids\": [5, 18446744073709551615]}") ==
          "1: expected input_ids to hold integers, got 1.8446744073709552e+19 as number 1");
}

TEST_CASE("errors in a JSON array name the line where the element starts") {
    std::string head = "[\n{\"input_ids\":[1,2]},\n\n";
    CHECK(error(head + "{\n\"input_ids\":\n[1,200]}]") ==
          "4: expected ids below the vocabulary's 100 in input_ids, got 200 as number 1");
    CHECK(error(head + "{\"a\": \"]},\\\"{[\"}]") ==
          "4: expected input_ids, messages, conversations, instruction and output, or text; got a");
    CHECK(error(head + "]").starts_with("4: broken JSON: expected a JSON value"));
    CHECK(error(head + "{\"input_ids\":[1,2]}").starts_with("4: broken JSON: expected a JSON value that ends"));
    CHECK(error(head + "{\"input_ids\":[1,2]}}") == "4: broken JSON: expected ',' or ']' after an element");
    CHECK(error(head + "{\"input_ids\":[1,2]}]\n\n{}") == "6: broken JSON: expected nothing after the array");
    CHECK(error(head + "{\"input_ids\":[1,2} ]").starts_with("4: broken JSON: expected a JSON value"));
    CHECK(error(head + "{\"input_ids\":1,2}]").starts_with("4: broken JSON at byte 16: syntax error"));
    CHECK(error("[").starts_with("1: broken JSON: expected a JSON value"));
}

TEST_CASE("files with nothing in them") {
    for (std::string text : {"", "\n \n", "[]", " [ ]\n", "\xef\xbb\xbf"})
        CHECK(error(text) == "1: expected samples, got an empty file");
    CHECK_THROWS_WITH_AS(read_dataset("/no/such.jsonl", nullptr, {.context_length = 8, .vocab = 9}),
                         "[dataset] /no/such.jsonl cannot be read; give a JSON or JSONL file", InputError);
    CHECK_THROWS_AS(read_dataset("/tmp", nullptr, {.context_length = 8, .vocab = 9}), InputError);
}

TEST_CASE("text without a tokenizer says so") {
    for (std::string kind : {"text", "instruction", "messages", "conversations"})
        CHECK(error("{\"" + kind + "\": \"a\"}") ==
              "1: " + kind + " needs a tokenizer, and the model has no tokenizer.json; give input_ids");
}

TEST_CASE("reference data") {
    Dataset data =
        read_dataset(TANDEM_TEST_DATA "/data/llama2-ragged.jsonl", nullptr, {.context_length = 64, .vocab = 512});
    CHECK(data.size() > 12);
    CHECK(data.largest().length <= 64);
}
