#include "runtime/utf8.h"

#include <fmt/core.h>

namespace tandem {

Utf8Prefix first_character(std::string_view s) {
    auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    unsigned char lead = at(0);
    if (lead < 0x80) return {1, true};
    if (lead < 0xC2 || lead > 0xF4) return {1, false};
    std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    for (std::size_t i = 1; i < length; i++) {
        unsigned char low = 0x80, high = 0xBF;
        if (i == 1 && lead == 0xE0) low = 0xA0;
        if (i == 1 && lead == 0xED) high = 0x9F;
        if (i == 1 && lead == 0xF0) low = 0x90;
        if (i == 1 && lead == 0xF4) high = 0x8F;
        if (i >= s.size() || at(i) < low || at(i) > high) return {i, false};
    }
    return {length, true};
}

std::size_t valid_utf8(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        Utf8Prefix p = first_character(text.substr(at));
        if (!p.whole) break;
        at += p.bytes;
    }
    return at;
}

namespace {

// C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey as well.
bool is_control(std::string_view character) {
    unsigned char lead = static_cast<unsigned char>(character[0]);
    return lead < 0x20 || lead == 0x7F || (lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

std::string escaped(std::string_view bytes, std::string_view kept) {
    std::string out;
    while (!bytes.empty()) {
        Utf8Prefix p = first_character(bytes);
        std::string_view character = bytes.substr(0, p.bytes);
        if (p.whole && (!is_control(character) || kept.find(character) != kept.npos)) out += character;
        else
            for (char c : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        bytes.remove_prefix(p.bytes);
    }
    return out;
}

}  // namespace

std::string printable(std::string_view bytes) { return escaped(bytes, "\n\t"); }

std::string excerpt(std::string_view bytes, std::size_t most) {
    if (bytes.size() <= most) return escaped(bytes, "");
    std::string_view head = bytes.substr(0, most);
    while (!head.empty() && (static_cast<unsigned char>(bytes[head.size()]) & 0xC0) == 0x80) head.remove_suffix(1);
    return escaped(head, "") + "…";
}

}  // namespace tandem
