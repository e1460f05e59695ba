// The program's commands. Each returns the exit code; a failure is an exception.
#pragma once
#include "tools/options/command_line.h"

namespace tandem {

int train(CommandLine& line);
int generate(CommandLine& line);
int eval(CommandLine& line);
int tokenize(CommandLine& line);

inline int print_help(const OptionSet& set) {
    print_text(set.help());
    return 0;
}

}  // namespace tandem
