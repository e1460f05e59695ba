// A disk that fails, and a process that is killed, at every step of writing.
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>

#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

struct Fault {
    std::string call, path, does;
    int at;
};

Exit run_with(const Fault& f, const Arguments& arguments) {
    return run(arguments, [&] {
        std::string library = program_folder() / "libfailing_io.so", asan = "verify_asan_link_order=0";
        if (const char* options = ::getenv("ASAN_OPTIONS")) asan += std::string(":") + options;
        ::setenv("ASAN_OPTIONS", asan.c_str(), 1);
        ::setenv("LD_PRELOAD", library.c_str(), 1);
        ::setenv("FAULT_CALL", f.call.c_str(), 1);
        ::setenv("FAULT_PATH", f.path.c_str(), 1);
        ::setenv("FAULT_DOES", f.does.c_str(), 1);
        ::setenv("FAULT_AT", std::to_string(f.at).c_str(), 1);
    });
}

Arguments every_step(const fs::path& output) {
    return training(output, 3) + Arguments{"--checkpoint-every", "1", "--keep", "1"};
}

// The run is killed at call `at`; then it goes on and ends as if nothing had been. False: there was no such call.
bool killed_then_resumed(const Scratch& scratch, const fs::path& whole, const std::string& call, int at) {
    fs::path output = scratch / (call + std::to_string(at));
    CAPTURE(call);
    CAPTURE(at);
    Exit killed = run_with({call, output, "kill", at}, every_step(output));
    if (killed.code == 0) return false;
    CHECK(killed.signal == SIGKILL);
    Exit again = run(every_step(output));
    CHECK_MESSAGE(again.code == 0, again.err);
    check_same_run(whole, output);
    for (const auto& e : fs::directory_iterator(output / "checkpoints")) CHECK(e.path().extension() != ".partial");
    fs::remove_all(output);
    return true;
}

}  // namespace

TEST_CASE("faults: SIGKILL at every step of writing loses nothing") {
    Scratch scratch;
    fs::path whole = scratch / "whole";
    REQUIRE(run(every_step(whole)).code == 0);
    int calls = 1, stride = sanitized ? 9 : 1;
    while (calls < 1000 && killed_then_resumed(scratch, whole, "", calls)) calls += stride;
    CHECK(calls > 40);  // three checkpoints and an adapter cannot be written with less
    for (int at : {1, 2, 13, 30, 47}) CHECK(killed_then_resumed(scratch, whole, "pwrite", at));
}

TEST_CASE("faults: SIGTERM at every change before the first step leaves nothing half-written") {
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "run";
    const Arguments anew = Arguments{"--resume", "never"};
    REQUIRE(run(every_step(whole)).code == 0);
    int at = 1, ended = 0;
    for (; at < 100; at++, ended++) {
        CAPTURE(at);
        fs::remove_all(output);
        REQUIRE(run(training(output, 1)).code == 0);
        Exit e = run_with({"", output, "term", at}, every_step(output) + anew);
        if (e.code == 0) break;  // the first step has begun
        CHECK_MESSAGE(e.code == 128 + SIGTERM, e.err);
        std::size_t checkpoints = 0;
        for (const auto& entry : fs::recursive_directory_iterator(output)) {
            CHECK_MESSAGE(entry.path().extension() != ".partial", entry.path());
            checkpoints += entry.path().filename() == "step-000001";
        }
        CHECK(checkpoints == 1);
        CHECK(nlohmann::json::accept(text_of(output / "config.json")));
        CHECK(run(every_step(output) + anew).code == 0);
        check_same_run(whole, output);
    }
    CHECK(at < 100);
    CHECK(ended > 8);  // files that are tried, checkpoints set aside, config.json, metrics.jsonl
}

TEST_CASE("faults: SIGKILL before the result is written does not pass an older result off as this one") {
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "run";
    REQUIRE(run(every_step(whole)).code == 0);
    REQUIRE(run(training(output, 2)).code == 0);
    CHECK(run_with({"mkdir", "adapter.partial", "kill", 1}, every_step(output)).signal == SIGKILL);
    REQUIRE(run(every_step(output)).code == 0);
    check_same_run(whole, output);
}

TEST_CASE("faults: a full or failing disk is an error, and the checkpoint before it holds") {
    Scratch scratch;
    fs::path whole = scratch / "whole";
    REQUIRE(run(every_step(whole)).code == 0);
    struct Case {
        const char* call;
        const char* path;
        std::string does, reason;
        int at;
    };
    const Case cases[] = {
        {"pwrite", "step-000002", std::to_string(ENOSPC), "No space left on device", 5},
        {"pwrite", "step-000002", "short", "No space left on device", 3},
        {"pwrite", "step-000002.partial/manifest", std::to_string(EIO), "Input/output error", 1},
        {"fsync", "step-000002", std::to_string(EIO), "Input/output error", 1},
        {"fsync", "step-000002.partial", std::to_string(EIO), "Input/output error", 6},
        {"rename", "rank-1.safetensors.partial", std::to_string(EIO), "Input/output error", 2},
        {"rename", "step-000002.partial", std::to_string(EIO), "Input/output error", 4},
        {"open", "step-000002.partial/rank-0", std::to_string(EROFS), "Read-only file system", 1},
        {"mkdir", "step-000002.partial", std::to_string(EROFS), "Read-only file system", 1},
        {"pwrite", "adapter.partial", std::to_string(ENOSPC), "No space left on device", 2},
        {"rename", "adapter.partial", std::to_string(EACCES), "Permission denied", 3},
    };
    int number = 0;
    for (const Case& c : cases) {
        CAPTURE(c.call);
        CAPTURE(c.path);
        fs::path output = scratch / std::to_string(number++);
        Exit failed = run_with({c.call, c.path, c.does, c.at}, every_step(output));
        CHECK_MESSAGE(failed.code == 1, failed.err);
        CHECK_MESSAGE(failed.says(c.reason), failed.err);
        CHECK_MESSAGE(failed.says("rank "), failed.err);
        Exit again = run(every_step(output));
        CHECK_MESSAGE(again.says("resumed at step "), again.err);
        check_same_run(whole, output);
    }
}

TEST_CASE("faults: a result that cannot be saved loses nothing, and the message says how to get it") {
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "run";
    REQUIRE(run(training(whole, 3)).code == 0);
    Exit failed = run_with({"pwrite", "adapter.partial", std::to_string(EIO), 2}, training(output, 3));
    CHECK(failed.code == 1);
    CHECK_MESSAGE(failed.says("the checkpoint of step 3 holds what was trained, and the same command writes"),
                  failed.err);
    CHECK(run(training(output, 3)).says("resumed at step 3 from "));
    check_same_run(whole, output);
}

TEST_CASE("faults: a line that metrics.jsonl does not take ends the run, saved, and is not missing later") {
    Scratch scratch;
    fs::path whole = scratch / "whole";
    REQUIRE(run(training(whole, 5)).code == 0);
    for (int at : {2, 5}) {  // in the middle, and of the last step
        CAPTURE(at);
        fs::path output = scratch / std::to_string(at);
        Exit failed = run_with({"write", "metrics.jsonl", std::to_string(ENOSPC), at}, training(output, 5));
        CHECK(failed.code == 1);
        CHECK_MESSAGE(failed.says("metrics.jsonl: cannot be written, is the disk full? What was trained is saved"),
                      failed.err);
        CHECK(metrics(output).size() == std::size_t(at - 1));
        CHECK(!adapter(output).empty());
        CHECK(run(training(output, 5)).says("resumed at step " + std::to_string(at) + " from "));
        check_same_run(whole, output);
        CHECK(run(training(output, 5)).says("this run is finished"));
    }
}

TEST_CASE("faults: a damaged newer checkpoint does not count among those that are kept") {
    Scratch scratch;
    fs::path output = scratch / "run", last = output / "checkpoints" / "step-000003";
    REQUIRE(run(every_step(output) + Arguments{"--keep", "9"}).code == 0);
    fs::remove(last / "manifest.json");
    fs::remove_all(output / "checkpoints" / "step-000002");
    CHECK(run_with({"mkdir", "step-000003.partial", std::to_string(EIO), 1}, every_step(output)).code == 1);
    CHECK(run(every_step(output)).says("resumed at step 2 from "));
}

TEST_CASE("faults: a disk that is really full") {
    Scratch scratch;
    fs::path disk = scratch / "disk", file = scratch / "limit";
    auto small_files = [] {  // a file system without a mount: no file beyond 8 kB
        struct rlimit limit {
            8192, 8192
        };
        ::setrlimit(RLIMIT_FSIZE, &limit);
    };
    Exit failed = run(every_step(file), small_files);
    CHECK(failed.code == 1);
    CHECK_MESSAGE(failed.says("File too large"), failed.err);
    CHECK(run(every_step(file)).code == 0);

    fs::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
        std::puts("SKIPPED: a tmpfs cannot be mounted here");
        return;
    }
    // There is room at the start, and something else takes it.
    constexpr int steps = 60;
    Arguments command = training(disk / "run", steps) + Arguments{"--checkpoint-every", "1", "--keep", "1"};
    Program program(command);
    wait_for_lines(disk / "run", 2);
    REQUIRE(program.pause());
    std::ofstream(disk / "filler") << std::string(1 << 20, 'x');
    program.send(SIGCONT);
    failed = program.wait();
    CHECK(failed.code == 1);
    CHECK_MESSAGE((failed.says("No space left on device") || failed.says("is the disk full")), failed.err);
    fs::remove(disk / "filler");
    Exit again = run(command);
    CHECK_MESSAGE(again.says("resumed at step "), again.err);
    fs::path whole = scratch / "whole";
    REQUIRE(run(training(whole, steps)).code == 0);
    check_same_run(whole, disk / "run");
    ::umount(disk.c_str());
}
