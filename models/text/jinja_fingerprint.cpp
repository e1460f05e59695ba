#include "models/text/jinja_fingerprint.h"

#include <cctype>
#include <string>

namespace tandem {
namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_name(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }

std::string unified_lines(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); i++) {
        if (s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n') continue;
        out += s[i] == '\r' ? '\n' : s[i];
    }
    if (out.ends_with('\n')) out.pop_back();  // Jinja drops one
    return out;
}

// The template's lexemes, one after another, each ended by a zero byte.
class Canonical {
  public:
    explicit Canonical(std::string_view jinja) : in_(unified_lines(jinja)) {}

    std::string run() {
        while (at_ < in_.size()) {
            std::string_view two = std::string_view(in_).substr(at_, 2);
            if (two == "{%" || two == "{{" || two == "{#") tag(two[1]);
            else text_ += in_[at_++];
        }
        flush_text();
        return std::move(out_);
    }

  private:
    char peek(std::size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }

    void lexeme(std::string_view s) {
        out_ += s;
        out_ += '\0';
    }
    void flush_text() {
        if (!text_.empty()) lexeme("text" + text_);
        text_.clear();
    }

    void tag(char kind) {
        strip_before(kind);
        bool comment = kind == '#';
        std::string close{kind == '{' ? '}' : kind, '}'};
        at_ += 2;
        if (peek() == '-' || peek() == '+') at_++;
        if (!comment) {
            flush_text();
            lexeme(kind == '%' ? "block" : "print");
        }
        char mark = ' ';
        while (at_ < in_.size()) {
            mark = peek() == '-' || peek() == '+' ? peek() : ' ';
            if (in_.compare(at_ + (mark != ' '), 2, close) == 0) {
                at_ += 2 + (mark != ' ');
                break;
            }
            if (comment) at_++;
            else inside();
        }
        if (!comment) lexeme("end");
        if (mark == '-')
            while (is_space(peek())) at_++;
        else if (mark != '+' && kind != '{' && peek() == '\n')
            at_++;  // trim_blocks
    }

    void strip_before(char kind) {
        char mark = peek(2);
        if (mark == '-') {
            while (!text_.empty() && is_space(text_.back())) text_.pop_back();
        } else if (mark != '+' && kind != '{') {  // lstrip_blocks
            std::size_t keep = text_.size(), source = at_;
            while (keep > 0 && (text_[keep - 1] == ' ' || text_[keep - 1] == '\t')) keep--, source--;
            if (source == 0 || in_[source - 1] == '\n') text_.resize(keep);
        }
    }

    // One lexeme of an expression.
    void inside() {
        char c = peek();
        if (is_space(c)) {
            at_++;
        } else if (c == '\'' || c == '"') {
            string(c);
        } else if (c == '.' && (std::isalpha(static_cast<unsigned char>(peek(1))) || peek(1) == '_')) {
            at_++;
            lexeme("[");
            lexeme("string" + name());
            lexeme("]");
        } else if (is_name(c)) {
            lexeme(name());
        } else {
            lexeme(std::string_view(in_).substr(at_++, 1));
        }
    }

    std::string name() {
        std::string s;
        while (is_name(peek())) s += in_[at_++];
        return s;
    }

    void string(char quote) {
        std::string s = "string";
        at_++;
        while (at_ < in_.size() && peek() != quote) {
            if (peek() == '\\' && at_ + 1 < in_.size()) {
                char c = peek(1);
                if (c == 'n') s += '\n';
                else if (c == 't') s += '\t';
                else if (c == '\\' || c == '\'' || c == '"') s += c;
                else s.append(1, '\\').append(1, c);
                at_ += 2;
            } else {
                s += in_[at_++];
            }
        }
        at_++;
        lexeme(s);
    }

    std::string in_, text_, out_;
    std::size_t at_ = 0;
};

}  // namespace

std::uint64_t jinja_fingerprint(std::string_view jinja) {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (char c : Canonical(jinja).run()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return hash;
}

}  // namespace tandem
