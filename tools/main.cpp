#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "runtime/error.h"
#include "tools/commands.h"
#include "tools/log.h"
#include "tools/signals.h"

using namespace tandem;

namespace {

struct Command {
    const char* name;
    int (*run)(CommandLine&);
    const char* does;
};

constexpr Command commands[] = {
    {"train", train, "fine-tune a model; without arguments a demo"},
    {"plan", plan, "what fine-tuning a model would take, and what would fit"},
    {"generate", generate, "text from a model"},
    {"eval", eval, "loss and perplexity of a data set"},
    {"tokenize", tokenize, "ids of text, of lines, or of a data set's samples"},
};

std::string usage() {
    std::string text = "usage: tandem COMMAND [--OPTION VALUE ...]\n\n";
    for (const Command& c : commands) text += fmt::format("  {:<10}{}\n", c.name, c.does);
    return text + "\ntandem COMMAND --help lists a command's options.";
}

int run(const std::string& name, CommandLine& line) {
    const Command* c =
        std::find_if(std::begin(commands), std::end(commands), [&](const Command& k) { return name == k.name; });
    if (c != std::end(commands)) return c->run(line);
    if (name == "--help" || name == "-h" || name == "help") {
        print_line(usage());
        return 0;
    }
    log_line(fmt::format("tandem: there is no command {}\n\n{}", name, usage()));
    return 2;
}

int report(const std::exception& e, int code, const CommandLine& line) noexcept {
    try {
        const Error* error = dynamic_cast<const Error*>(&e);
        log_line(fmt::format("tandem: {}", error ? error->message() : e.what()));
        if (line.verbose && error)
            log_line(fmt::format("  thrown at {}:{}", error->where().file_name(), error->where().line()));
    } catch (...) {
        log_line("tandem: failed, and there is no memory to say why");
    }
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    try {
        line.out = open_standard_descriptors();
        watch_signals();
        line.arguments.assign(argv + std::min(argc, 2), argv + argc);
        return run(argc > 1 ? argv[1] : "--help", line);
    } catch (const OutputLost& e) {
        return e.reader_left() ? reader_left : report(e, failed, line);
    } catch (const InputError& e) {
        return report(e, bad_input, line);
    } catch (const DoesNotFit& e) {
        return report(e, does_not_fit, line);
    } catch (const std::exception& e) {
        return report(e, failed, line);
    }
}
