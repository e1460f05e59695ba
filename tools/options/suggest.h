// What was meant by an option that is none of a command's: a name that is nearly the same, or what another program
// calls the same thing.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace tandem {

struct DeclaredOption {
    std::string name;
    bool is_switch = false;
};

struct Suggestion {
    std::string option;  // one of those declared
    std::string value;   // empty: any
};

Suggestion suggest(std::string_view unknown, std::span<const DeclaredOption> declared);

// An option, and its names elsewhere, separated by blanks: in transformers, PEFT, TRL, axolotl, unsloth, torchtune,
// LLaMA-Factory, llama.cpp, and on many command lines. The same name may stand at several options: that one is meant
// which the command has, the first of them.
struct OtherNames {
    std::string_view option, value;  // value: what the option has to be to mean the same; empty where it keeps its own
    std::string_view names;
};
std::span<const OtherNames> other_names();

}  // namespace tandem
