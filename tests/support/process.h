// Runs the program that was built next to the test, as a user does.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/scratch.h"

namespace tandem::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;  // runs cost several times as much
#else
inline constexpr bool sanitized = false;
#endif

inline std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_text(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

struct Exit {
    int code = -1;  // -1: ended by `signal`
    int signal = 0;
    std::string out, err;

    bool says(const std::string& text) const { return err.find(text) != std::string::npos; }

    // What stderr has beside the table of planned memory, a title and rows that are indented.
    std::string beside_the_plan() const {
        std::size_t begin = err.find("[Memory] planned"), end = err.find('\n', begin);
        if (begin == std::string::npos) return "no planned memory: " + err;
        while (end != std::string::npos && err.compare(end, 3, "\n  ") == 0) end = err.find('\n', end + 1);
        return err.substr(0, begin) + (end == std::string::npos ? "" : err.substr(end + 1));
    }
};

using Arguments = std::vector<std::string>;

inline Arguments operator+(Arguments a, const Arguments& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline std::filesystem::path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

class Program {
  public:
    // `prepare` runs in the child, before the program.
    explicit Program(const Arguments& arguments, const std::function<void()>& prepare = {}) {
        std::vector<std::string> all = Arguments{(program_folder() / "tandem").string()} + arguments;
        std::vector<char*> argv;
        for (std::string& a : all) argv.push_back(a.data());
        argv.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ != 0) return;
        redirect("/dev/null", O_RDONLY, 0);
        redirect(output_ / "out", O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect(output_ / "err", O_WRONLY | O_CREAT | O_TRUNC, 2);
        if (prepare) prepare();
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ~Program() {
        if (pid_ > 0) wait(std::chrono::seconds(0));
    }
    Program(const Program&) = delete;

    void send(int signal) const { ::kill(pid_, signal); }

    // False where it has ended already. SIGCONT lets it go on.
    bool pause() {
        int status = 0;
        send(SIGSTOP);
        return ::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
    }

    // Killed when it takes longer.
    Exit wait(std::chrono::milliseconds limit = std::chrono::seconds(60)) {
        auto end = std::chrono::steady_clock::now() + limit;
        int status = 0;
        while (::waitpid(pid_, &status, WNOHANG) == 0) {
            if (std::chrono::steady_clock::now() >= end) send(SIGKILL);
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
        pid_ = -1;
        Exit e{-1, 0, text_of(output_ / "out"), text_of(output_ / "err")};
        if (WIFEXITED(status))
            e.code = WEXITSTATUS(status);
        else
            e.signal = WTERMSIG(status);
        return e;
    }

  private:
    static void redirect(const std::filesystem::path& file, int flags, int to) {
        int fd = ::open(file.c_str(), flags, 0666);
        if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(126);
        ::close(fd);
    }

    Scratch output_;
    pid_t pid_ = -1;
};

inline Exit run(const Arguments& arguments, const std::function<void()>& prepare = {}) {
    return Program(arguments, prepare).wait();
}

}  // namespace tandem::test
