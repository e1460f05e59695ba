// The program's commands. Each takes the arguments after its name and returns the exit code; a failure is an exception.
#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

#include "runtime/options.h"

namespace tandem {

int train(const std::vector<std::string>& arguments);
int generate(const std::vector<std::string>& arguments);
int eval(const std::vector<std::string>& arguments);
int tokenize(const std::vector<std::string>& arguments);

inline int print_help(const OptionSet& set) {
    fmt::print("{}", set.help());
    return 0;
}

}  // namespace tandem
