#include "models/text/dataset/dataset.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "tests/models/text/dataset/support.h"

using namespace tandem;
using namespace tandem::test;

TEST_CASE("ids are taken as they are") {
    Dataset data = read_ids(
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
        Dataset data = read_ids(text);
        REQUIRE(data.size() == 2);
        CHECK(list(data[1].ids) == Ids{3, 4, 5});
    }
}

TEST_CASE("a byte order mark before JSONL is no error") {
    CHECK(read_ids("\xef\xbb\xbf{\"input_ids\":[1,2]}\n").size() == 1);
}

TEST_CASE("the limit ends the reading") {
    std::string text = "{\"input_ids\":[1,2]}\n{\"input_ids\":[1,3]}\nbroken\n";
    CHECK(read_ids(text, {.context_length = 8, .vocab = 100, .limit = 2}).size() == 2);
    CHECK(read_ids("[{\"input_ids\":[1,2]}, broken", {.context_length = 8, .vocab = 100, .limit = 1}).size() == 1);
    CHECK(ids_error(text).starts_with("3: broken JSON"));
}

TEST_CASE("ids that are too long are cut only when asked") {
    DatasetOptions options{.context_length = 3, .vocab = 100};
    CHECK(ids_error("{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2,3,4]}", options) ==
          "2: expected at most 3 tokens, got 4; raise context_length or set truncate");
    options.truncate = true;
    Dataset data = read_ids("{\"input_ids\":[1,2,3,4,5], \"labels\":[-100,-100,3,4,5]}", options);
    CHECK(list(data[0].ids) == Ids{1, 2, 3});
    CHECK(list(data[0].labels) == Ids{-100, -100, 3});
    CHECK(ids_error("{\"input_ids\":[1,2,3,4], \"labels\":[1,-100,-100,4]}", options) ==
          "1: no supervised token is left of 1 by the cut to 3 of the 4 tokens of this sample; raise context_length "
          "or leave the sample out");
    CHECK(ids_error("{\"input_ids\":[1,2,3,4], \"labels\":[1,-100,-100,-100]}", options) ==
          "1: no supervised token in the 3 of this sample");  // nor before the cut
    // padding is cut away first
    Dataset padded = read_ids("{\"input_ids\":[0,0,1,2,3], \"attention_mask\":[0,0,1,1,1]}", options);
    CHECK(list(padded[0].ids) == Ids{1, 2, 3});
}

TEST_CASE("bad samples are named by file and line") {
    std::string good = "{\"input_ids\":[1,2]}\n";
    CHECK(ids_error(good + "{\"input_ids\":[1,2]").starts_with("2: broken JSON at byte 19: syntax error"));
    CHECK(ids_error(good + good + "{'input_ids':[1,2]}").starts_with("3: broken JSON at byte 2:"));
    CHECK(ids_error(good + "[1, 2]") == "2: expected a JSON object, got array");
    CHECK(ids_error(good + "7") == "2: expected a JSON object, got number");
    CHECK(ids_error(good + "null") == "2: expected a JSON object, got null");
    CHECK(ids_error("{\"input_ids\":[1,2]} {\"input_ids\":[1,2]}").starts_with("1: broken JSON at byte 21:"));
    CHECK(ids_error(good + "\n\n{\"prompt\": \"a\", \"answer\": \"b\"}") ==
          "4: expected input_ids, messages, conversations, instruction and output, or text; got prompt, answer");
    CHECK(ids_error("{}") ==
          "1: expected input_ids, messages, conversations, instruction and output, or text; got an empty object");
    CHECK(ids_error("{\"input_ids\": \"1 2\"}") == "1: expected input_ids to be a list of ids, got string");
    CHECK(ids_error("{\"input_ids\": [1, 2.5]}") == "1: expected input_ids to hold integers, got 2.5 as number 1");
    CHECK(ids_error("{\"input_ids\": [1, \"2\"]}") == "1: expected input_ids to hold integers, got \"2\" as number 1");
    CHECK(ids_error("{\"input_ids\": [1, null]}") == "1: expected input_ids to hold integers, got null as number 1");
    CHECK(ids_error("{\"input_ids\": [1, 2], \"labels\": [1]}") ==
          "1: expected as many labels as input_ids, got 1 labels for 2 ids");
    CHECK(ids_error("{\"input_ids\": [1, 2], \"labels\": [-100, -100]}") ==
          "1: no supervised token in the 2 of this sample");
    CHECK(ids_error("{\"input_ids\": [1, 2], \"labels\": [1, -100]}") ==
          "1: no supervised token in the 2 of this sample");
    CHECK(ids_error("{\"input_ids\": [1]}") == "1: no supervised token in the 1 of this sample");
    CHECK(ids_error("{\"input_ids\": []}") == "1: no supervised token in the 0 of this sample");
    CHECK(ids_error(good + "{\"text\": \"caf\xe9\"}") == "2: expected UTF-8, got other bytes at byte 14");
    CHECK(ids_error(good + "{\"text\": \"\\ud800\"}").starts_with("2: broken JSON at byte"));
    CHECK(ids_error(std::string("\xff\xfe{\0\"\0", 6)) == "1: it is text in UTF-16; save it in UTF-8");
    CHECK(ids_error("\xe9") == "1: expected UTF-8, got other bytes at byte 1");
}

TEST_CASE("ids outside the vocabulary") {
    std::string expected = "1: expected ids below the vocabulary's 100 in ";
    for (std::string id : {"100", "-1", "-100", "4294967297", "9223372036854775807", "-9223372036854775808"})
        CHECK(ids_error("{\"input_ids\": [5, " + id + "]}") == expected + "input_ids, got " + id + " as number 1");
    for (std::string id : {"100", "-1", "-101", "4294967196"})
        CHECK(ids_error("{\"input_ids\": [5, 6], \"labels\": [5, " + id + "]}") ==
              expected + "labels, got " + id + " as number 1");
    CHECK(ids_error("{\"input_ids\": [5, 18446744073709551615]}") ==
          "1: expected input_ids to hold integers, got 1.8446744073709552e+19 as number 1");
}

TEST_CASE("errors in a JSON array name the line where the element starts") {
    std::string head = "[\n{\"input_ids\":[1,2]},\n\n";
    CHECK(ids_error(head + "{\n\"input_ids\":\n[1,200]}]") ==
          "4: expected ids below the vocabulary's 100 in input_ids, got 200 as number 1");
    CHECK(ids_error(head + "{\"a\": \"]},\\\"{[\"}]") ==
          "4: expected input_ids, messages, conversations, instruction and output, or text; got a");
    CHECK(ids_error(head + "]").starts_with("4: broken JSON: expected a JSON value"));
    CHECK(ids_error(head + "{\"input_ids\":[1,2]}").starts_with("4: broken JSON: expected a JSON value that ends"));
    CHECK(ids_error(head + "{\"input_ids\":[1,2]}}") == "4: broken JSON: expected ',' or ']' after an element");
    CHECK(ids_error(head + "{\"input_ids\":[1,2]}]\n\n{}") == "6: broken JSON: expected nothing after the array");
    CHECK(ids_error(head + "{\"input_ids\":[1,2} ]").starts_with("4: broken JSON: expected a JSON value"));
    CHECK(ids_error(head + "{\"input_ids\":1,2}]").starts_with("4: broken JSON at byte 16: syntax error"));
    CHECK(ids_error("[").starts_with("1: broken JSON: expected a JSON value"));
}

TEST_CASE("files with nothing in them") {
    for (std::string text : {"", "\n \n", "[]", " [ ]\n", "\xef\xbb\xbf"})
        CHECK(ids_error(text) == "1: expected samples, got an empty file");
    CHECK_THROWS_WITH_AS(read_dataset("/no/such.jsonl", nullptr, {.context_length = 8, .vocab = 9}),
                         doctest::Contains("cannot read /no/such.jsonl: No such file"), InputError);
    CHECK_THROWS_AS(read_dataset("/tmp", nullptr, {.context_length = 8, .vocab = 9}), InputError);
}

TEST_CASE("pipes are read") {
    const std::string bom = "\xef\xbb\xbf";
    for (std::string text :
         {"{\"input_ids\":[1,2]}\n{\"input_ids\":[3,4,5]}\n", "[{\"input_ids\":[1,2]},{\"input_ids\":[3,4,5]}]",
          "\n \n[\n{\"input_ids\":[1,2]},\n{\"input_ids\":[3,4,5]}]\n"}) {
        for (const std::string& start : {std::string(), bom}) {
            Scratch scratch;
            std::filesystem::path pipe = scratch / "pipe";
            REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
            std::thread writer([&] { std::ofstream(pipe) << start + text; });
            Dataset data = read_dataset(pipe, nullptr, few);
            writer.join();
            REQUIRE(data.size() == 2);
            CHECK(list(data[1].ids) == Ids{3, 4, 5});
        }
    }
    int ends[2];  // as <(…) of a shell
    REQUIRE(::pipe(ends) == 0);
    const std::string text = "{\"input_ids\":[1,2]}\n{\"input_ids\":[3,400]}";
    REQUIRE(::write(ends[1], text.data(), text.size()) == ssize_t(text.size()));
    ::close(ends[1]);
    std::string name = fmt::format("/dev/fd/{}", ends[0]);
    CHECK_THROWS_WITH_AS(
        read_dataset(name, nullptr, few),
        (name + ":2: expected ids below the vocabulary's 100 in input_ids, got 400 as number 1").c_str(), InputError);
    ::close(ends[0]);
}

TEST_CASE("an array that does not start in the first line") {
    CHECK(ids_error("\n\n [\n{\"input_ids\":[1,2]},\n{\"input_ids\":[1,200]}]").starts_with("5: expected ids below"));
    CHECK(ids_error("\n\n\n[").starts_with("4: broken JSON"));
}

TEST_CASE("deep nesting is a sentence") {
    auto nested = [](int levels, const char* open, const char* close) {
        std::string text;
        for (int i = 0; i < levels; i++) text += open;
        text += "1";
        for (int i = 0; i < levels; i++) text += close;
        return text;
    };
    for (auto [open, close] : {std::pair{"[", "]"}, {"{\"a\":", "}"}}) {
        std::string deep = nested(100000, open, close), half = deep.substr(0, deep.size() / 2);
        for (const std::string& value : {deep, half})
            for (std::string text : {value, "{\"input_ids\":[1,2],\"x\":" + value + "}", "[" + value + "]",
                                     "[{\"input_ids\":[1,2],\"x\":" + value + "}]"}) {
                std::string error = ids_error(text);
                CHECK(error.starts_with("1: broken JSON: "));
                CHECK(error.find("512 levels") != std::string::npos);
                CHECK(error.size() < 100);
            }
        std::string allowed = "{\"input_ids\":[1,2],\"x\":" + nested(511, open, close) + "}";
        CHECK(read_ids(allowed).size() == 1);
        CHECK(read_ids("[" + allowed + "]").size() == 1);
    }
}

TEST_CASE("text without a tokenizer says so") {
    for (std::string kind : {"text", "instruction", "messages", "conversations"})
        CHECK(ids_error("{\"" + kind + "\": \"a\"}") ==
              "1: " + kind + " needs a tokenizer, and the model has no tokenizer.json; give input_ids");
}

TEST_CASE("reference data") {
    Dataset data =
        read_dataset(TANDEM_TEST_DATA "/data/llama2-ragged.jsonl", nullptr, {.context_length = 64, .vocab = 512});
    CHECK(data.size() > 12);
    CHECK(data.largest().length <= 64);
}
