#include "models/text/tokenizer/byte_level.h"

#include <array>

#include "models/text/tokenizer/utf8.h"

namespace tandem::text {
namespace {

struct Alphabet {
    std::array<std::string, 256> characters;
    std::array<int, 512> bytes;  // by code point, -1: none

    Alphabet() {
        bytes.fill(-1);
        std::uint32_t next = 256;
        for (int b = 0; b < 256; b++) {
            bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
            std::uint32_t c = printable ? std::uint32_t(b) : next++;
            append_code_point(characters[std::size_t(b)], c);
            bytes[c] = b;
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet table;
    return table;
}

}  // namespace

const std::string& byte_level_character(unsigned char byte) { return alphabet().characters[byte]; }

bool append_byte_level_bytes(std::string_view token, std::string& bytes) {
    std::size_t before = bytes.size();
    for (std::size_t at = 0; at < token.size(); at += char_bytes(token[at])) {
        std::uint32_t c = code_point(token, at);
        int byte = c < 512 ? alphabet().bytes[c] : -1;
        if (byte < 0) {
            bytes.resize(before);
            return false;
        }
        bytes += static_cast<char>(byte);
    }
    return true;
}

}  // namespace tandem::text
