// Failures. Every message is one sentence for the user: `[where] expected X, got Y; do Z`. A setting that would help is
// named by its key, which is the command line's flag, Python's argument and the Recipe's field alike: each of them
// shows the message in its own words.
#pragma once
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tandem {

// Names a setting within a message: "raise " + setting("context_length").
std::string setting(std::string_view key);

// The message with `word(key)` for each setting that it names; without `word`, the key.
using SettingWord = std::string (*)(std::string_view key);
std::string worded(std::string_view message, SettingWord word = nullptr);

// The program failed (exit code 1). `where()` is the source line that threw, shown by --verbose; what() has settings
// as their keys.
class Error : public std::runtime_error {
  public:
    explicit Error(const std::string& message, std::source_location where = std::source_location::current())
        : std::runtime_error(worded(message)), message_(message), where_(where) {}
    const char* message() const { return message_.what(); }  // for worded()
    const std::source_location& where() const { return where_; }

  private:
    std::runtime_error message_;  // a text whose copying does not throw
    std::source_location where_;
};

// The constructors below are written out: nvcc 13.0 fails on inherited ones with this default argument.

// Bad options or input, found before training (exit code 2).
class InputError : public Error {
  public:
    explicit InputError(const std::string& message, std::source_location where = std::source_location::current())
        : Error(message, where) {}
};

// The run does not fit into the memory it was given (exit code 3).
class DoesNotFit : public Error {
  public:
    explicit DoesNotFit(const std::string& message, std::source_location where = std::source_location::current())
        : Error(message, where) {}
};

// Another rank failed first; its message is the one to show.
class Aborted : public Error {
  public:
    explicit Aborted(const std::string& message, std::source_location where = std::source_location::current())
        : Error(message, where) {}
};

}  // namespace tandem
