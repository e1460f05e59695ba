#include "models/text/dataset/records.h"

#include <fmt/core.h>

#include <fstream>
#include <iterator>

#include "runtime/error.h"

namespace tandem {
namespace {

using Record = std::function<bool(std::string_view, std::int64_t)>;

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Where the JSON value that starts at `begin` ends: the first comma or closing bracket outside its strings and
// brackets.
std::size_t end_of_value(std::string_view text, std::size_t begin) {
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = begin; i < text.size(); i++) {
        char c = text[i];
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
    }
    return text.npos;
}

class ArrayReader {
  public:
    ArrayReader(std::string name, std::string_view text) : name_(std::move(name)), text_(text) {}

    void read(const Record& record) {
        at_ = text_.find('[') + 1;
        if (next() == ']') return finish();
        while (true) {
            next();
            std::size_t end = end_of_value(text_, at_);
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
    void finish() {
        at_++;
        if (next() != '\0') fail("nothing after the array");
    }
    std::int64_t line_at(std::size_t at) {  // asked in ascending order
        for (; counted_ < at; counted_++) line_ += text_[counted_] == '\n';
        return line_;
    }
    [[noreturn]] void fail(const char* expected) {
        throw InputError(fmt::format("{}:{}: broken JSON: expected {}", name_, line_at(at_), expected));
    }

    std::string name_;
    std::string_view text_;
    std::size_t at_ = 0, counted_ = 0;
    std::int64_t line_ = 1;
};

void read_lines(std::istream& in, const Record& record) {
    std::string line;
    for (std::int64_t number = 1; std::getline(in, line); number++) {
        std::string_view text = line;
        if (number == 1 && text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
        if (text.find_first_not_of(" \t\r") == text.npos) continue;
        if (!record(text, number)) return;
    }
}

}  // namespace

void for_each_record(const std::filesystem::path& file, const Record& record) {
    std::ifstream in(file, std::ios::binary);
    if (!in || std::filesystem::is_directory(file))
        throw InputError(fmt::format("[dataset] {} cannot be read; give a JSON or JSONL file", file.string()));
    in >> std::ws;
    if (in.peek() == 0xef) in.ignore(3) >> std::ws;  // a byte order mark
    bool array = in.peek() == '[';
    in.clear();
    in.seekg(0);
    if (array) {
        std::string text{std::istreambuf_iterator<char>(in), {}};
        ArrayReader(file.string(), text).read(record);
    } else {
        read_lines(in, record);
    }
    if (in.bad()) throw InputError(fmt::format("[dataset] reading {} failed", file.string()));
}

}  // namespace tandem
