// What a command says beside its results. A log that cannot be written (closed, full, a reader that left) changes
// nothing else: it never throws and never ends a run.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

namespace tandem {

// False where the descriptor would not take all of it; errno says why.
bool write_whole(int descriptor, std::string_view bytes) noexcept;

// A line on stderr, made printable (runtime/utf8.h): it may quote a file. Settings are named by their options.
void log_line(std::string_view text) noexcept;

// Opens descriptors 0 to 2 that are closed on /dev/null, so that no file gets their numbers and with them the log; to
// be called before anything is opened. Whether stdout was closed: then nobody waits for what it gets.
enum class Stdout { open, closed };
Stdout open_standard_descriptors();

// Results that stdout would not take.
class OutputLost : public std::runtime_error {
  public:
    explicit OutputLost(int code);                     // errno
    bool reader_left() const { return reader_left_; }  // of a pipe: no error, it has seen what it wanted

  private:
    bool reader_left_;
};

// A result on stdout, at once; OutputLost where it cannot be written.
void print_line(std::string_view text);  // and a newline
void print_text(std::string_view text);

}  // namespace tandem
