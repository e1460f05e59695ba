// What follows a command's name.
#pragma once
#include <string>
#include <vector>

#include "tools/log.h"
#include "tools/options/options.h"

namespace tandem {

struct CommandLine {
    std::vector<std::string> arguments;
    Stdout out = Stdout::open;  // as the process found it
    bool verbose = false;  // an option of every command, for whoever reports its failure: set even where others are bad
};

// Declares the options of a command and reads them; every error at once, rules between options included.
template <class Options> OptionSet::Parsed read_options(Options& options, OptionSet& set, CommandLine& line) {
    declare(set, options);
    set.group("Options");
    set.add("verbose", line.verbose, "say where in the source an error was thrown", Resumed::any);
    return set.parse(line.arguments, [&] {
        if constexpr (requires { options.gpus; }) options.gpus = options.gpus.resolved();
        return validate(options, set);
    });
}

}  // namespace tandem
