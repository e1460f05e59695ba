// The program's commands. Each returns the exit code; a failure is an exception.
#pragma once
#include "tools/options/command_line.h"
#include "tools/options/train_options.h"

namespace tandem {

int train(CommandLine& line);
int generate(CommandLine& line);
int eval(CommandLine& line);
int tokenize(CommandLine& line);
int plan(CommandLine& line);

// What `plan` says, and `train` with that option. The exit code.
enum class PlanAs { text, json };
int say_plan(TrainOptions& options, const OptionSet& set, PlanAs as);

// Exit codes: 1 failed, 2 bad options or input, 3 does not fit, 141 as SIGPIPE would have ended it.
inline constexpr int failed = 1, bad_input = 2, does_not_fit = 3, reader_left = 141;

inline int print_help(const OptionSet& set) {
    print_text(set.help());
    return 0;
}

}  // namespace tandem
