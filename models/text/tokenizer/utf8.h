// UTF-8 as the tokenizer needs it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::text {

// Bytes of the character that starts with this byte of well-formed text.
inline std::size_t char_bytes(char first) {
    unsigned char b = static_cast<unsigned char>(first);
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

std::uint32_t code_point(std::string_view text, std::size_t at);  // of well-formed text
void append_code_point(std::string& text, std::uint32_t c);

// Each maximal ill-formed part becomes one U+FFFD (Unicode 3.9, as Rust's from_utf8_lossy does).
std::string replace_ill_formed(std::string_view bytes);

bool is_white_space(std::uint32_t c);  // Unicode White_Space

}  // namespace tandem::text
