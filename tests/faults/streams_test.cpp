// Streams that are slow, left by their reader or as long as they may be; bytes of files in messages.
#include <sys/resource.h>

#include <utility>

#include "runtime/utf8.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

Arguments tokenize(const Arguments& what) {
    return Arguments{"tokenize", "--model", golden("models/llama2-mha").string()} + what;
}

// The write end of a pipe that takes one page at a time is the child's stdout or stderr.
class Reader {
  public:
    Reader() {
        if (::pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
        ::fcntl(ends_[1], F_SETPIPE_SZ, 4096);
    }
    ~Reader() {
        leave();
        if (ends_[1] >= 0) ::close(ends_[1]);
    }
    Reader(const Reader&) = delete;

    void make_non_blocking() const { ::fcntl(ends_[1], F_SETFL, O_NONBLOCK); }
    void in_child(int descriptor) const { ::dup2(ends_[1], descriptor); }
    void started() { ::close(std::exchange(ends_[1], -1)); }
    std::string read() {
        char bytes[4096];
        ssize_t n = ::read(ends_[0], bytes, sizeof bytes);
        return {bytes, std::size_t(std::max<ssize_t>(n, 0))};
    }
    std::string read_all() {
        std::string all;
        for (std::string part; !(part = read()).empty(); all += part) {}
        return all;
    }
    void leave() {
        if (ends_[0] >= 0) ::close(std::exchange(ends_[0], -1));
    }

  private:
    int ends_[2];
};

std::size_t lines(const std::string& text) { return std::size_t(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

TEST_CASE("streams: a log that is as long as a file may be") {
    Scratch scratch;
    fs::path log = scratch.put("log", ""), output = scratch / "run";
    const rlim_t most = 64 << 20;
    fs::resize_file(log, most);
    Exit e = run(training(output, 4), [&] {
        struct rlimit limit {most, most};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        ::dup2(::open(log.c_str(), O_WRONLY | O_APPEND), 2);
    });
    CHECK(e.code == 0);
    CHECK(fs::file_size(log) == most);
    CHECK(metrics(output).size() == 4);
    CHECK(!adapter(output).empty());
}

TEST_CASE("streams: a reader that leaves ends what would go on for long") {
    Scratch scratch;
    std::string text;
    for (int i = 0; i < 1000000; i++) text += "a fox\n";
    Reader reader;
    Program program(tokenize({"--lines", scratch.put("lines", text)}), [&] { reader.in_child(1); });
    reader.started();
    CHECK(lines(reader.read()) > 0);
    reader.leave();
    Exit e = program.wait();
    CHECK(e.code == 141);
    CHECK(e.err.empty());
}

TEST_CASE("streams: a slow reader gets every line, also where another process made the stream non-blocking") {
    Scratch scratch;
    std::string text;
    for (int i = 0; i < 2000; i++) text += "a fox\n";
    auto slowly = [&](const Arguments& arguments, int descriptor) {
        Reader reader;
        reader.make_non_blocking();
        Program program(arguments, [&] { reader.in_child(descriptor); });
        reader.started();
        std::this_thread::sleep_for(std::chrono::milliseconds(sanitized ? 1500 : 300));
        std::string all = reader.read_all();
        Exit e = program.wait();
        CHECK_MESSAGE(e.code == 0, e.err);
        return all;
    };
    CHECK(lines(slowly(tokenize({"--lines", scratch.put("lines", text)}), 1)) == 2000);
    CHECK(lines(slowly(training(scratch / "out", 150) + Arguments{"--log-to", "stdout"}, 1)) == 150);
    std::string log = slowly(training(scratch / "err", 150), 2);
    CHECK(log.find("[T] step 150 ") != log.npos);
    CHECK(log.find("[Saved] adapter") != log.npos);
}

TEST_CASE("streams: what is quoted in a message is UTF-8 and steers no terminal") {
    Scratch scratch;
    const std::string bytes = "\xff\x1b[31m\xc2\x9b\xf0\x9f\n\"";
    const Arguments quoting[] = {
        {bytes},
        {"train", "--" + bytes},
        {"train", "--lr", bytes},
        tokenize({"--lines", bytes}),
        tokenize({"--dataset", scratch.put("data.jsonl", "{\"\xc2\x9b\\u001b[31m\": 1}\n")}),
        {"eval", "--model", bytes, "--dataset", bytes},
        {"train", "--model", scratch.put(bytes.substr(0, 3) + "/config.json", bytes).parent_path(), "--dataset",
         "data"},
        {"train", "--config", scratch.put("options.json", "{\"" + bytes.substr(0, 6) + "\": 1}")},
    };
    for (const Arguments& arguments : quoting) {
        Exit e = run(arguments);
        CHECK_MESSAGE(e.code == 2, e.err);
        CHECK(tandem::valid_utf8(e.err) == e.err.size());
        CHECK_MESSAGE(e.says("\\x"), e.err);
        CHECK(e.err.find('\x1b') == std::string::npos);
    }
}
