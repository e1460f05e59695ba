// Where Oniguruma (Ruby syntax, Unicode) and PCRE2 read the same text differently, it is rewritten; what has no
// equal is refused.
#include <fmt/core.h>

#include <cctype>

#include "models/text/tokenizer/pattern.h"
#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"

namespace tandem::text {
namespace {

class Translator {
  public:
    explicit Translator(std::string_view pattern) : in_(pattern) {}

    std::string run() {
        while (at_ < in_.size()) {
            char c = in_[at_];
            if (c == '\\') escape();
            else if (in_class_) class_character(c);
            else if (c == '[') open_class();
            else if (c == '(') group();
            else if (c == '{') interval();
            else copy(char_bytes(c));
        }
        if (in_class_) refuse("an unclosed [");
        return std::move(out_);
    }

  private:
    bool next_is(std::string_view s) const { return in_.substr(at_).starts_with(s); }
    void copy(std::size_t bytes) {
        out_ += in_.substr(at_, bytes);
        at_ += bytes;
    }
    void replace(std::size_t bytes, std::string_view by) {
        out_ += by;
        at_ += bytes;
    }
    [[noreturn]] void refuse(std::string_view what) const {
        throw InputError(fmt::format("the pattern has {} at byte {}, which is not supported", what, at_));
    }

    void open_class() {
        in_class_ = true;
        copy(next_is("[^") ? 2 : 1);
        if (next_is("]")) refuse("a class that begins with ]");
    }

    void class_character(char c) {
        if (c == '[') refuse("a class within a class");
        if (next_is("&&")) refuse("&& in a class");
        if (c == ']') in_class_ = false;
        copy(char_bytes(c));
    }

    void group() {
        if (!next_is("(?")) {
            if (next_is("(*")) refuse("(*");
            return copy(1);
        }
        for (std::string_view known : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?-i:"})
            if (next_is(known)) return copy(known.size());
        if (at_ == 0 && next_is("(?i)")) return copy(4);  // elsewhere the two differ about alternatives behind it
        refuse(in_.substr(at_, 4));
    }

    // {n}, {n,} and {n,m} alike in both; anything else is not.
    void interval() {
        std::size_t end = at_ + 1;
        auto digits = [&] {
            std::size_t first = end;
            while (end < in_.size() && std::isdigit(static_cast<unsigned char>(in_[end]))) end++;
            return end > first;
        };
        bool valid = digits();
        if (valid && end < in_.size() && in_[end] == ',') {
            end++;
            digits();
        }
        if (!valid || end >= in_.size() || in_[end] != '}') refuse("a { that opens no {n,m}");
        if (in_.substr(end + 1).starts_with('+')) refuse("a + behind {n,m}");
        if (in_.substr(end + 1).starts_with('?') && in_.substr(at_, end - at_).find(',') == std::string_view::npos)
            refuse("a ? behind {n}");
        copy(end + 1 - at_);
    }

    void escape() {
        if (at_ + 1 >= in_.size()) refuse("a \\ at its end");
        char c = in_[at_ + 1];
        switch (c) {
            case 's': return replace(2, R"(\p{White_Space})");
            case 'S': return replace(2, R"(\P{White_Space})");
            case 'w': return replace(2, in_class_ ? word : "[" + std::string(word) + "]");
            case 'W':
                if (in_class_) refuse("\\W in a class");
                return replace(2, "[^" + std::string(word) + "]");
            case 'h': return replace(2, in_class_ ? "0-9a-fA-F" : "[0-9a-fA-F]");
            case 'v': return replace(2, R"(\x0B)");
            case 'u': return code_unit();
            case 'p':
            case 'P': return property();
            case 'A':
            case 'z':
                if (in_class_) refuse("an anchor in a class");
                return copy(2);
            case 'x': return hexadecimal();
            case 'd':
            case 'D':
            case 'r':
            case 'n':
            case 't':
            case 'f':
            case 'a':
            case 'e': return copy(2);
            default:
                if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80)
                    refuse(in_.substr(at_, 1 + char_bytes(c)));
                copy(2);
        }
    }

    std::size_t hex_digits(std::size_t from, std::size_t most) const {
        std::size_t n = 0;
        while (n < most && from + n < in_.size() && std::isxdigit(static_cast<unsigned char>(in_[from + n]))) n++;
        return n;
    }

    void code_unit() {
        if (hex_digits(at_ + 2, 4) != 4) refuse("\\u without four digits");
        replace(6, "\\x{" + std::string(in_.substr(at_ + 2, 4)) + "}");
    }

    void hexadecimal() {
        bool braces = at_ + 2 < in_.size() && in_[at_ + 2] == '{';
        std::size_t digits = hex_digits(at_ + (braces ? 3 : 2), braces ? 8 : 2);
        if (braces && digits > 0 && in_.substr(at_ + 3 + digits).starts_with('}')) return copy(digits + 4);
        // A lone \x80 to \xFF is a byte to Oniguruma, a code point to PCRE2.
        if (braces || digits != 2 || in_[at_ + 2] > '7') refuse("this \\x");
        copy(4);
    }

    // General categories are named alike; a script is \p{sc:…} to PCRE2, whose bare name means its extensions.
    void property() {
        std::size_t close = in_.find('}', at_);
        if (!in_.substr(at_ + 2).starts_with('{') || close == std::string_view::npos) refuse("\\p without {name}");
        std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
        bool negated = name.starts_with('^');
        if (negated) name.remove_prefix(1);
        for (char c : name)
            if (!std::isalpha(static_cast<unsigned char>(c)) && c != '_') refuse(in_.substr(at_, close + 1 - at_));
        out_ += negated == (in_[at_ + 1] == 'p') ? "\\P{" : "\\p{";
        out_ += name.size() <= 2 ? std::string(name) : "sc:" + std::string(name);
        out_ += '}';
        at_ = close + 1;
    }

    // Below U+0100 Oniguruma's table has the superscripts and fractions too.
    static constexpr const char* word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\xB2\xB3\xB9\xBC-\xBE)";
    std::string_view in_;
    std::size_t at_ = 0;
    bool in_class_ = false;
    std::string out_;
};

}  // namespace

std::string pcre_from_oniguruma(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace tandem::text
