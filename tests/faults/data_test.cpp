// Data that cannot be trained on: refused before training with file:line and exit 2.
#include <sys/stat.h>

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
    refused({std::string("\xff\xfe{\0\"\0", 6), "1: it is text in UTF-16; save it in UTF-8"});
    refused({"\xe9\n", "1: expected UTF-8"});
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
    refused({"{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}\n", "1: turn 1: expected a turn of system"});
    refused({"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n", "1: "});  // this model has no template
    refused({"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
             "1: [chat template chatml] the tokenizer has no token \"<|im_start|>\"",
             {"--chat-template", "chatml"}});
    refused({"{\"conversations\": [{\"from\": \"human\"}]}\n", "1: turn 1: expected value, which is missing"});
}

TEST_CASE("bad data: masks, weights and keys that could change what is trained on") {
    const std::string ids = "{\"input_ids\": [5, 6, 7], ";
    refused({good + ids + "\"attention_mask\": [1, 0, 1]}\n", "2: expected attention_mask to be 0 at its ends alone"});
    refused({good + ids + "\"attention_mask\": [[1, 1, 1]]}\n", "2: expected attention_mask to hold 0, 1"});
    refused({ids + "\"loss_mask\": [1, 1]}\n", "1: expected as many loss_mask as input_ids"});
    refused({ids + "\"completion_mask\": [0, 0, 0.5]}\n", "1: expected completion_mask to hold 0, 1"});
    refused({ids + "\"assistant_masks\": [0, 0, 0]}\n", "1: no supervised token"});
    refused({ids + "\"segment_ids\": [0, 0, 1]}\n", "1: \"segment_ids\" says something of every token"});
    refused({"{\"instruction\": \"a\", \"output\": \"b\", \"system\": \"c\"}\n", "1: \"system\" could change"});
    refused({"{\"text\": \"a\", \"weight\": 0}\n", "1: \"weight\" would weigh"});
    const std::string turn = "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\", ";
    refused({turn + "\"weight\": 0.5}]}\n", "1: turn 1: expected weight to be 0, 1"});
    refused({turn + "\"tool_calls\": [{}]}]}\n", "1: turn 1: \"tool_calls\" could change"});
    refused({turn + "\"x\": 0}], \"tools\": [{}]}\n", "1: \"tools\" could change"});
    refused({"{\"input_ids\": [1, 2, 3, 4], \"labels\": [-100, -100, -100, 4]}\n",
             "1: no supervised token is left of 1 by the cut to 3",
             {"--context-length", "3", "--truncate"}});
}

TEST_CASE("keys that are not used are listed once") {
    Scratch scratch;
    write_text(scratch / "data.jsonl",
               "{\"id\": 1, \"input_ids\": [5, 6], \"b\": 1}\n{\"id\": 2, \"input_ids\": [5, 6]}\n");
    write_text(scratch / "held.jsonl", "{\"source\": \"x\", \"input_ids\": [5, 6]}\n");
    Arguments data{"--dataset", scratch / "data.jsonl"};
    Exit e = run(training(scratch / "run", 1) + data + Arguments{"--eval-dataset", scratch / "held.jsonl"});
    CHECK_MESSAGE(e.code == 0, e.err);
    CHECK_MESSAGE(e.says("b (1 of 2 samples), id\n"), e.err);
    CHECK_MESSAGE(e.says("  source\n"), e.err);
    for (const Arguments& command : {Arguments{"eval"} + model_and_data() + data,
                                     Arguments{"tokenize", "--model", golden("models/llama2-mha")} + data}) {
        e = run(command);
        CHECK_MESSAGE(e.code == 0, e.err);
        CHECK_MESSAGE(e.says("not used: b (1 of 2 samples), id\n"), e.err);
        CHECK(e.out.find("not used") == std::string::npos);
    }
}

TEST_CASE("data through a pipe") {
    Scratch scratch;
    const fs::path file = golden("data/llama2-ragged.jsonl");
    const std::string text = text_of(file);
    CHECK(run(training(scratch / "file", 2)).code == 0);
    auto on_stdin = [&] {
        int ends[2];
        if (::pipe(ends) != 0 || ::fcntl(ends[1], F_SETPIPE_SZ, int(text.size())) < 0) ::_exit(125);
        if (::write(ends[1], text.data(), text.size()) != ssize_t(text.size())) ::_exit(125);
        ::dup2(ends[0], 0);
        ::close(ends[1]);
    };
    Exit e = run(training(scratch / "stdin", 2) + Arguments{"--dataset", "/dev/stdin"}, on_stdin);
    CHECK_MESSAGE(e.code == 0, e.err);
    check_same_run(scratch / "file", scratch / "stdin");
    const fs::path pipe = scratch / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    std::thread writer([&] { write_text(pipe, text); });
    e = run(training(scratch / "named", 2) + Arguments{"--dataset", pipe});
    writer.join();
    CHECK_MESSAGE(e.code == 0, e.err);
    check_same_run(scratch / "file", scratch / "named");
}

TEST_CASE("bad data: what has no line") {
    Scratch scratch;
    for (const auto& [file, why] : {std::pair{scratch / "none.jsonl", "No such file or directory; check the name"},
                                    std::pair{scratch / ".", "it is a folder; give the file itself"}}) {
        Exit e = run(training(scratch / "run", 2) + Arguments{"--dataset", file});
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says("cannot read " + file.string() + ": " + why), e.err);
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
