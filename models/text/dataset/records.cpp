#include "models/text/dataset/records.h"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "models/io/files.h"
#include "runtime/error.h"
#include "runtime/json.h"

namespace tandem {
namespace {

using Record = std::function<bool(std::string_view, std::int64_t)>;

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class ArrayReader {
  public:
    // `text` starts at the array, in that line of the file.
    ArrayReader(std::string name, std::string_view text, std::int64_t line)
        : name_(std::move(name)), text_(text), line_(line) {}

    void read(const Record& record) {
        at_ = 1;
        if (next() == ']') return finish();
        while (true) {
            next();
            std::size_t end = end_of_value();
            if (end == text_.npos || end == at_) fail("a JSON value that ends");
            std::int64_t line = line_at(at_);
            if (!record(text_.substr(at_, end - at_), line)) return;
            at_ = end;
            if (text_[at_] == ']') return finish();
            if (text_[at_] != ',') fail("',' or ']' after an element");
            at_++;
        }
    }

  private:
    char next() {  // to the next character that is not blank
        while (at_ < text_.size() && blank(text_[at_])) at_++;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    // The first comma or closing bracket outside the value's strings and brackets.
    std::size_t end_of_value() {
        int depth = 0;
        bool quoted = false;
        for (std::size_t i = at_; i < text_.size(); i++) {
            char c = text_[i];
            if (quoted) {
                if (c == '\\')
                    i++;
                else
                    quoted = c != '"';
                continue;
            }
            if (c == '"') quoted = true;
            if (depth == 0 && (c == ',' || c == ']' || c == '}')) return i;
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            if (depth > Json::most_levels) fail(fmt::format("at most {} levels of nesting", Json::most_levels));
        }
        return text_.npos;
    }
    void finish() {
        at_++;
        if (next() != '\0') fail("nothing after the array");
    }
    std::int64_t line_at(std::size_t at) {  // asked in ascending order
        for (; counted_ < at; counted_++) line_ += text_[counted_] == '\n';
        return line_;
    }
    [[noreturn]] void fail(std::string_view expected) {
        throw InputError(fmt::format("{}:{}: broken JSON: expected {}", name_, line_at(at_), expected));
    }

    std::string name_;
    std::string_view text_;
    std::size_t at_ = 0, counted_ = 0;
    std::int64_t line_;
};

// Without an exception where reading fails.
void append_rest(std::istream& in, std::string& text) {
    std::vector<char> part(1 << 16);
    while (in.read(part.data(), std::streamsize(part.size())) || in.gcount() > 0)
        text.append(part.data(), std::size_t(in.gcount()));
}

}  // namespace

void for_each_record(const std::filesystem::path& file, const Record& record) {
    std::ifstream in(file, std::ios::binary);
    if (!in || std::filesystem::is_directory(file)) throw cannot_read(file, in ? EISDIR : errno);
    std::string line;
    bool first = true, more = true;
    for (std::int64_t number = 1; more && std::getline(in, line); number++) {
        std::string_view text = line;
        if (number == 1 && text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
        std::size_t begin = text.find_first_not_of(" \t\r");
        if (begin == text.npos) continue;
        if (first && text[begin] == '[') {
            std::string array(text.substr(begin));
            if (!in.eof()) array += '\n';
            append_rest(in, array);
            if (in.bad()) break;
            return ArrayReader(file.string(), array, number).read(record);
        }
        first = false;
        more = record(text, number);
    }
    if (in.bad()) throw InputError(fmt::format("[dataset] reading {} failed", file.string()));
}

}  // namespace tandem
