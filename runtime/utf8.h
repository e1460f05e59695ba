// UTF-8, and bytes of unknown origin made fit to be shown.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tandem {

// Length of the longest prefix of one character, and whether it is the whole character (Unicode, table 3-7). Of text
// that is not empty.
struct Utf8Prefix {
    std::size_t bytes;
    bool whole;
};
Utf8Prefix first_character(std::string_view text);

// Bytes of the valid prefix; text.size() where all is well-formed (no surrogates, no overlong forms).
std::size_t valid_utf8(std::string_view text);

// For messages, which may quote a file: ill-formed bytes and control characters other than newline and tab as \xNN, so
// that what is shown is UTF-8 and cannot steer a terminal.
std::string printable(std::string_view bytes);

// As printable, newline and tab escaped as well, cut to about `most` bytes with an ellipsis: a part of a file inside a
// sentence.
std::string excerpt(std::string_view bytes, std::size_t most = 80);

}  // namespace tandem
