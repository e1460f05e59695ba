#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "runtime/error.h"
#include "tools/commands.h"

using namespace tandem;

namespace {

struct Command {
    const char* name;
    int (*run)(CommandLine&);
    const char* does;
};

constexpr Command commands[] = {
    {"train", train, "fine-tune a model; without arguments a demo"},
    {"generate", generate, "text from a model"},
    {"eval", eval, "loss and perplexity of a data set"},
    {"tokenize", tokenize, "ids of text, of lines, or of a data set's samples"},
};

void print_usage(std::FILE* to) {
    fmt::print(to, "usage: tandem COMMAND [--OPTION VALUE ...]\n\n");
    for (const Command& c : commands) fmt::print(to, "  {:<10}{}\n", c.name, c.does);
    fmt::print(to, "\ntandem COMMAND --help lists a command's options.\n");
}

int run(const std::string& name, CommandLine& line) {
    const Command* c =
        std::find_if(std::begin(commands), std::end(commands), [&](const Command& k) { return name == k.name; });
    if (c != std::end(commands)) return c->run(line);
    bool help = name == "--help" || name == "-h" || name == "help";
    if (!help) fmt::print(stderr, "tandem: there is no command {}\n\n", name);
    print_usage(help ? stdout : stderr);
    return help ? 0 : 2;
}

// Exit codes: 1 failed, 2 bad options or input, 3 does not fit.
int report(const std::exception& e, int code, bool verbose) {
    fmt::print(stderr, "tandem: {}\n", e.what());
    const Error* error = dynamic_cast<const Error*>(&e);
    if (verbose && error) fmt::print(stderr, "  thrown at {}:{}\n", error->where().file_name(), error->where().line());
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line{{argv + std::min(argc, 2), argv + argc}};
    try {
        int code = run(argc > 1 ? argv[1] : "--help", line);
        if (std::fflush(stdout) != 0)
            throw Error(fmt::format("the output cannot be written: {}", std::strerror(errno)));
        return code;
    } catch (const InputError& e) {
        return report(e, 2, line.verbose);
    } catch (const DoesNotFit& e) {
        return report(e, 3, line.verbose);
    } catch (const std::exception& e) {
        return report(e, 1, line.verbose);
    }
}
