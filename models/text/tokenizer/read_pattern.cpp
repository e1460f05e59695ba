#include "models/text/tokenizer/read_pattern.h"

#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"

namespace tandem::text {

Pattern read_pattern(const JsonNode& node) {
    auto regex = node.find("Regex");
    auto literal = node.find("String");
    if (bool(regex) == bool(literal)) node.fail("expected {\"Regex\": …} or {\"String\": …}, got " + node.text());
    if (literal) return Pattern::literal(literal->string());
    std::string pattern = regex->string();
    try {
        return Pattern::regex(pattern);
    } catch (const InputError& e) {
        regex->fail(e.message() + std::string(": ") + regex->text());
    }
}

std::string read_character(const JsonNode& node) {
    std::string s = node.string();
    if (s.empty() || char_bytes(s[0]) != s.size()) node.fail("expected one character, got " + node.text());
    return s;
}

}  // namespace tandem::text
