#include "models/text/tokenizer/utf8.h"

#include "runtime/utf8.h"

namespace tandem::text {

std::uint32_t code_point(std::string_view text, std::size_t at) {
    std::size_t length = char_bytes(text[at]);
    std::uint32_t c = static_cast<unsigned char>(text[at]);
    if (length > 1) c &= 0x7Fu >> length;
    for (std::size_t i = 1; i < length; i++) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3F);
    return c;
}

void append_code_point(std::string& text, std::uint32_t c) {
    if (c < 0x80) {
        text += static_cast<char>(c);
    } else if (c < 0x800) {
        text += static_cast<char>(0xC0 | c >> 6);
        text += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        text += static_cast<char>(0xE0 | c >> 12);
        text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        text += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        text += static_cast<char>(0xF0 | c >> 18);
        text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
        text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        text += static_cast<char>(0x80 | (c & 0x3F));
    }
}

std::string replace_ill_formed(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        Utf8Prefix p = first_character(bytes);
        if (p.whole) out += bytes.substr(0, p.bytes);
        else out += "\uFFFD";
        bytes.remove_prefix(p.bytes);
    }
    return out;
}

bool is_white_space(std::uint32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace tandem::text
