// Signals at any moment: what was trained is not lost, and the run that goes on is the same to the bit.
#include <sys/stat.h>

#include <random>

#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

TEST_CASE("signals: SIGTERM, SIGINT and SIGHUP finish the step, save and exit 0; the same command goes on") {
    constexpr int steps = 80;
    Scratch scratch;
    fs::path whole = scratch / "whole";
    REQUIRE(run(training(whole, steps)).code == 0);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
        CAPTURE(signal);
        fs::path output = scratch / std::to_string(signal);
        Program program(training(output, steps));
        wait_for_lines(output, 3);
        program.send(signal);
        Exit stopped = program.wait();
        CHECK(stopped.code == 0);
        std::size_t done = metrics(output).size();
        REQUIRE(done < steps);
        CHECK_MESSAGE(stopped.says("stopped by a signal; the same command goes on from step " + std::to_string(done)),
                      stopped.err);
        CHECK(!adapter(output).empty());
        Exit again = run(training(output, steps));
        CHECK(again.code == 0);
        CHECK_MESSAGE(again.says("resumed at step " + std::to_string(done) + " from "), again.err);
        check_same_run(whole, output);
    }
}

TEST_CASE("signals: a program that waits for its input ends at once") {
    Scratch scratch;
    fs::path pipe = scratch / "pipe", output = scratch / "run";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const std::string model = golden("models/llama2-mha");
    for (const Arguments& arguments : {Arguments{"train", "--model", model, "--dataset", pipe, "--output-dir", output},
                                       Arguments{"eval", "--model", model, "--dataset", pipe},
                                       Arguments{"tokenize", "--model", model, "--lines", pipe},
                                       Arguments{"tokenize", "--model", model, "--dataset", pipe}})
        for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
            CAPTURE(arguments[0]);
            CAPTURE(signal);
            Program program(arguments);
            int writer = -1;
            for (int i = 0; i < 20000 && writer < 0; i++) {  // until it reads
                writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            REQUIRE(writer >= 0);
            program.send(signal);
            Exit e = program.wait(std::chrono::seconds(20));
            ::close(writer);
            CHECK_MESSAGE(e.code == 128 + signal, e.err);
            CHECK(e.out.empty());
            CHECK(!fs::exists(output));
        }
}

TEST_CASE("signals: a second one ends at once") {
    Scratch scratch;
    // One step is all 96 samples, several times over in full precision: it takes longer than the two signals.
    Program program(Arguments{"train"} + model_and_data() +
                    Arguments{"--output-dir", scratch / "run", "--num-epochs", "50", "--gradient-accumulation-steps",
                              "48", "--precision", "fp32"});
    wait_for_lines(scratch / "run", 1);
    program.send(SIGINT);
    program.send(SIGTERM);
    Exit ended = program.wait();
    CHECK((ended.code == 128 + SIGINT || ended.code == 128 + SIGTERM));  // whichever handler comes second
    CHECK(!fs::exists(scratch / "run" / "adapter"));
}

TEST_CASE("signals: SIGKILL at any moment, again and again, then the run is the same as an uninterrupted one") {
    constexpr int steps = 25;
    const Arguments often{"--checkpoint-every", "1"};
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "killed";
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(run(training(whole, steps) + often).code == 0);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    std::mt19937 random(1);  // the moments differ from run to run all the same
    std::uniform_real_distribution<double> part(0.01, 0.4);  // of the time that this machine takes for all steps
    int kills = 0, runs = 0;
    for (int round = 0; round < (sanitized ? 1 : 3); round++) {
        fs::remove_all(output);
        bool first = true;
        for (Exit e{-1, SIGKILL, "", ""}; e.code != 0; runs++) {
            REQUIRE(runs < 300);
            Program program(training(output, steps) + often);
            // The first is killed at its start, whatever the machine; the growing part lets the round end.
            const int patience = first ? 1 : int(part(random) * took.count()) + runs;
            first = false;
            e = program.wait(std::chrono::milliseconds(patience));
            CHECK_MESSAGE((e.code == 0 || e.signal == SIGKILL), e.err);
            kills += e.signal == SIGKILL;
        }
        check_same_run(whole, output);
    }
    CHECK(kills > 0);
}
