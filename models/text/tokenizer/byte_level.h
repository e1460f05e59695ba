// GPT-2's alphabet: every byte as a printable character.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::text {

const std::string& byte_level_character(unsigned char byte);         // UTF-8
bool append_byte_level_bytes(std::string_view token, std::string& bytes);  // false, and nothing appended: not in it

}  // namespace tandem::text
