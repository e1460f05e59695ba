// Data that cannot be trained on: refused before training with file:line and exit 2.
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

const std::string good = "{\"input_ids\": [5, 6, 7]}\n";

struct Bad {
    std::string text, says;
    Arguments more = {};
};

void refused(const Bad& bad) {
    CAPTURE(bad.text);
    Scratch scratch;
    fs::path file = scratch / "data.jsonl";
    write_text(file, bad.text);
    for (const std::string command : {"train", "eval"}) {
        Arguments all = Arguments{command} + model_and_data() + Arguments{"--dataset", file} + bad.more;
        if (command == "train") all = all + Arguments{"--output-dir", scratch / "run"};
        Exit e = run(all);
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says(file.string() + ":" + bad.says), e.err);
        CHECK(e.out.empty());
    }
    CHECK(!fs::exists(scratch / "run"));
}

}  // namespace

TEST_CASE("bad data: files and lines") {
    refused({"", "1: expected samples, got an empty file"});
    refused({"\n \n", "1: expected samples, got an empty file"});
    refused({"[]", "1: expected samples, got an empty file"});
    refused({good + "{\"input_ids\": [5, 6\n", "2: broken JSON"});
    refused({good + "\n" + good + "{} {}\n", "4: broken JSON"});
    refused({good + "[" + good + "]", "2: "});
    refused({"[" + good + ",\n" + good, "3: broken JSON"});
    refused({"[" + good + ",\n{\"input_ids\": [x]}]", "3: broken JSON"});
    refused({good + "17\n", "2: "});
    refused({good + "{\"other\": 1}\n", "2: "});
    refused({good + "{\"text\": \"\xff\"}\n", "2: expected UTF-8"});
    refused({"\xff\xfe{\0\"\0", "1: expected UTF-8"});
}

TEST_CASE("bad data: ids and labels") {
    refused({good + "{\"input_ids\": [5, 512]}\n", "2: expected ids below the vocabulary's 512 in input_ids, got 512"});
    refused({good + "{\"input_ids\": [5, -1]}\n", "2: expected ids below the vocabulary's 512 in input_ids, got -1"});
    refused({good + "{\"input_ids\": [5, 18446744073709551617]}\n", "2: "});
    refused({good + "{\"input_ids\": [5, 1.5]}\n", "2: expected input_ids to hold integers"});
    refused({good + "{\"input_ids\": \"5 6\"}\n", "2: expected input_ids to be a list"});
    refused({good + "{\"input_ids\": []}\n", "2: no supervised token"});
    refused({good + "{\"input_ids\": [5]}\n", "2: no supervised token"});
    refused({"{\"input_ids\": [5, 6], \"labels\": [5, -100]}\n", "1: no supervised token"});
    refused({"{\"input_ids\": [5, 6], \"labels\": [5]}\n", "1: expected as many labels as input_ids"});
    refused(
        {"{\"input_ids\": [5, 6], \"labels\": [5, 600]}\n", "1: expected ids below the vocabulary's 512 in labels"});
    refused({good + "{\"input_ids\": [1, 2, 3, 4, 5]}\n",
             "2: expected at most 4 tokens, got 5",
             {"--context-length", "4"}});
}

TEST_CASE("bad data: texts and conversations") {
    refused({"{\"instruction\": \"a\"}\n", "1: expected output, which is missing"});
    refused({"{\"instruction\": 3, \"output\": \"a\"}\n", "1: expected instruction to be text"});
    refused({"{\"text\": [1]}\n", "1: expected text to be text"});
    refused({"{\"messages\": []}\n", "1: expected messages to be a list of turns"});
    refused({"{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}\n", "1: expected a turn of system"});
    refused({"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n", "1: "});  // this model has no template
    refused({"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
             "1: no supervised token",
             {"--chat-template", "chatml"}});
    refused({"{\"conversations\": [{\"from\": \"human\"}]}\n", "1: expected value, which is missing"});
}

TEST_CASE("bad data: what has no line") {
    Scratch scratch;
    for (const fs::path& file : {scratch / "none.jsonl", scratch / "."}) {
        Exit e = run(training(scratch / "run", 2) + Arguments{"--dataset", file});
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says(file.string() + " cannot be read"), e.err);
    }
    Exit e = run(training(scratch / "run", 2) + Arguments{"--chat-template", "nonsense"});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("chatml"), e.err);  // the known ones are listed
    write_text(scratch / "data", "{\"input_ids\": [1, 2, 3, 4, 5]}\n");
    e = run(Arguments{"eval"} + model_and_data() +
            Arguments{"--dataset", scratch / "data", "--truncate", "--context-length", "4"});
    CHECK_MESSAGE(e.code == 0, e.err);
    write_text(scratch / "data", good + "x");
    e = run(training(scratch / "run", 2) + Arguments{"--eval-dataset", scratch / "data"});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("data:2: broken JSON"), e.err);
    CHECK(!fs::exists(scratch / "run"));
}
