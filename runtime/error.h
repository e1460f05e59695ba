// Failures. Every message is one sentence for the user: `[where] expected X, got Y; do Z`.
#pragma once
#include <source_location>
#include <stdexcept>
#include <string>

namespace tandem {

// The program failed (exit code 1). `where()` is the source line that threw, shown by --verbose.
class Error : public std::runtime_error {
  public:
    explicit Error(const std::string& message, std::source_location where = std::source_location::current())
        : std::runtime_error(message), where_(where) {}
    const std::source_location& where() const { return where_; }

  private:
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
