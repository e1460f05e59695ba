// Losing the log never loses the run; signals before, at and after the first step.
#include <sys/resource.h>

#include "models/io/json_fields.h"
#include "runtime/utf8.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

constexpr int steps = 6;

std::function<void()> closed(std::vector<int> descriptors) {
    return [descriptors] {
        for (int fd : descriptors) ::close(fd);
    };
}

std::function<void()> replaced(std::vector<int> descriptors, const char* file) {
    return [descriptors, file] {
        int to = ::open(file, O_WRONLY);
        for (int fd : descriptors) ::dup2(to, fd);
    };
}

// A pipe whose reader has left.
std::function<void()> broken(std::vector<int> descriptors) {
    return [descriptors] {
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(126);
        ::close(ends[0]);
        for (int fd : descriptors) ::dup2(ends[1], fd);
    };
}

std::function<void()> ignoring(int signal) {
    return [signal] { ::signal(signal, SIG_IGN); };
}

// All of the run is there, and no line of the log stands in a file of it.
void check_whole(const fs::path& output) {
    CHECK(metrics(output).size() == std::size_t(steps));
    CHECK(!adapter(output).empty());
    CHECK(fs::exists(output / "checkpoints" / "step-000006" / "manifest.json"));
    for (const char* file : {"config.json", "adapter/adapter_config.json", "result.json"})
        CHECK_NOTHROW(tandem::parse_json_file(output / file));
}

Arguments random_weights(const char* model) {
    return {"--model", model, "--weights", "random", "--gpus", "cpu", "--threads", "1", "--host-memory", "1000GB"};
}

}  // namespace

TEST_CASE("log: a run is saved whatever becomes of stdout and stderr") {
    struct Case {
        const char* what;
        std::function<void()> prepare;
        Arguments log;
        int code;
    };
    const Arguments bar{}, lines{"--log-to", "stdout"};
    const std::vector<Case> cases{
        {"stderr closed", closed({2}), bar, 0},
        {"stdout closed", closed({1}), lines, 0},
        {"all closed", closed({0, 1, 2}), lines, 0},
        {"stderr full", replaced({2}, "/dev/full"), bar, 0},
        {"stderr broken", broken({2}), bar, 0},
        {"both broken, no step lines", broken({1, 2}), bar, 0},
        {"stdout full", replaced({1}, "/dev/full"), lines, 1},
        {"stdout broken", broken({1}), lines, 1},
        {"both broken", broken({1, 2}), lines, 1},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        Scratch scratch;
        Exit e = run(training(scratch / "run", steps) + c.log, c.prepare);
        CHECK(e.code == c.code);
        if (c.code == 1 && !e.err.empty()) CHECK(e.says("what was trained is saved"));
        check_whole(scratch / "run");
    }
}

TEST_CASE("log: an error is an exit code even where nobody can be told") {
    const Arguments missing{"eval", "--dataset", "nowhere.jsonl"}, unknown{"nothing"};
    for (const auto& prepare : {closed({2}), broken({2}), replaced({2}, "/dev/full"), closed({0, 1, 2})}) {
        CHECK(run(missing, prepare).code == 2);
        CHECK(run(unknown, prepare).code == 2);
    }
}

TEST_CASE("log: what a file holds is shown as UTF-8 without control characters") {
    Scratch scratch;
    fs::path data = scratch.put("d.jsonl", "{\"instruct\xff\xfe\x1b[2Jion\": 1, \"\x1b]0;x\x07\": 2}\n{\"a\xe9\": 1}");
    Exit e = run({"eval", "--dataset", data.string()});
    CHECK(e.code == 2);
    CHECK(tandem::valid_utf8(e.err) == e.err.size());
    CHECK(e.err.find('\x1b') == e.err.npos);
}

TEST_CASE("results: a reader that leaves ends a command quietly, a full disk does not") {
    const std::vector<Arguments> commands{{"--help"}, {"train", "--help"}, {"tokenize", "--text", "a bird"},
                                          {"eval", "--dataset", "demo", "--json", "--dataset-samples", "2"},
                                          {"generate", "--prompt", "a", "--max-new-tokens", "2", "--json"}};
    for (const Arguments& command : commands) {
        CAPTURE(command.back());
        Exit left = run(command, broken({1}));
        CHECK(left.code == 141);
        CHECK(!left.says("cannot be written"));
        Exit full = run(command, replaced({1}, "/dev/full"));
        CHECK(full.code == 1);
        CHECK(full.says("the output cannot be written"));
        CHECK(run(command, closed({1})).code == 0);
    }
}

TEST_CASE("results: a long output ends soon after its reader has left") {
    Scratch scratch;
    std::string text;
    for (int i = 0; i < 60000; i++) text += "a line of some words that goes on for a while\n";
    fs::path file = scratch.put("lines.txt", text);
    auto begin = std::chrono::steady_clock::now();
    CHECK(run({"tokenize", "--lines", file.string()}, broken({1})).code == 141);
    auto first = std::chrono::steady_clock::now() - begin;
    begin = std::chrono::steady_clock::now();
    CHECK(run({"tokenize", "--lines", file.string()}).code == 0);
    CHECK(first < (std::chrono::steady_clock::now() - begin) / 2);
}

TEST_CASE("signals: before the first step each ends the process with 128 + its number, within a second") {
    for (int signal : {SIGTERM, SIGINT, SIGHUP})
        for (const char* command : {"train", "eval", "generate"}) {
            CAPTURE(signal);
            CAPTURE(command);
            Scratch scratch;
            Arguments arguments = Arguments{command} + random_weights("llama7b");
            if (command == std::string("generate")) arguments = arguments + Arguments{"--prompt-ids", "1,2"};
            else arguments = arguments + Arguments{"--dataset", golden("data/llama2-equal.jsonl")};
            if (command == std::string("train")) arguments = arguments + Arguments{"--output-dir", scratch / "run"};
            if (command != std::string("train")) arguments = arguments + Arguments{"--train-type", "qlora"};
            Program program(arguments);
            std::this_thread::sleep_for(std::chrono::milliseconds(sanitized ? 4000 : 700));  // it fills weights
            program.send(signal);
            auto begin = std::chrono::steady_clock::now();
            Exit e = program.wait();
            CHECK(e.code == 128 + signal);
            CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(sanitized ? 5 : 1));
            CHECK(!fs::exists(scratch / "run" / "config.json"));
        }
}

TEST_CASE("signals: a hang-up saves as the others do; one that was ignored at the start stays ignored") {
    Scratch scratch;
    Program hung(training(scratch / "hup", 5000));
    wait_for_lines(scratch / "hup", 2);
    hung.send(SIGHUP);
    Exit e = hung.wait();
    CHECK(e.code == 0);
    CHECK(e.says("stopped by a signal"));
    CHECK(!adapter(scratch / "hup").empty());
    for (int signal : {SIGHUP, SIGINT, SIGTERM}) {
        CAPTURE(signal);
        fs::path output = scratch / std::to_string(signal);
        Program program(training(output, 30), ignoring(signal));
        std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it is ignored from the program's begin on
        program.send(signal);
        wait_for_lines(output, 2);
        program.send(signal);
        CHECK(program.wait().code == 0);
        CHECK(metrics(output).size() == 30);
    }
}

TEST_CASE("signals: a limit on the size of files is an error, not an end") {
    Scratch scratch;
    Exit e = run(training(scratch / "run", steps), [] {
        rlimit limit{16 << 10, 16 << 10};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    });
    CHECK(e.code == 1);
    CHECK(e.says("ulimit"));
}
