#include "tests/style/source.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>

#include "runtime/error.h"

namespace tandem::style {
namespace {

const std::filesystem::path root = std::filesystem::path(TANDEM_TEST_DATA).parent_path().parent_path();

std::vector<std::string> git_ls_files(const std::string& options) {
    const std::string command = "git -c safe.directory='*' -C '" + root.string() + "' ls-files " + options;
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) throw Error("[style] cannot start git");
    std::vector<std::string> files;
    std::string file;
    for (int c; (c = std::fgetc(pipe)) != EOF;) {
        if (c != '\n') {
            file += static_cast<char>(c);
            continue;
        }
        if (std::filesystem::exists(root / file)) files.push_back(file);  // not one that is deleted but not yet staged
        file.clear();
    }
    if (pclose(pipe) != 0) throw Error("[style] git ls-files failed in " + root.string() + "; run in a clone");
    return files;
}

// The end of what starts at `i` and holds no code (comment, literal), or `i` itself.
size_t skip_non_code(const std::string& text, size_t i) {
    if (text.compare(i, 2, "//") == 0) return std::min(text.find('\n', i), text.size());
    if (text.compare(i, 2, "/*") == 0) return std::min(text.find("*/", i + 2), text.size() - 2) + 2;
    if (text.compare(i, 2, "R\"") == 0) {
        const size_t open = text.find('(', i);
        const std::string close = ")" + text.substr(i + 2, open - i - 2) + "\"";
        return std::min(text.find(close, open), text.size() - close.size()) + close.size();
    }
    const bool digit_separator = i > 0 && text[i] == '\'' && std::isxdigit(static_cast<unsigned char>(text[i - 1]));
    if (text[i] != '"' && (text[i] != '\'' || digit_separator)) return i;
    size_t end = i + 1;
    while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
    return std::min(end + 1, text.size());
}

// Whether a brace after `head` (the code since the last statement) opens a scope whose members are looked at.
bool opens_scope(const std::string& head) {
    static const std::regex templates(R"(template\s*<[^<>]*(<[^<>]*>[^<>]*)*>)");
    static const std::regex scope(R"(^\s*(typedef\s+|inline\s+)?(namespace|class|struct|union|enum|extern)\b)");
    return std::regex_search(std::regex_replace(head, templates, ""), scope);
}

bool opens_function(const std::string& head) {
    const size_t last = head.find_last_not_of(" \t\n");
    return head.find('(') != std::string::npos && head[last] != '=' && head[last] != ',' && head[last] != '(';
}

}  // namespace

std::vector<std::string> tracked_files() { return git_ls_files("--cached"); }
std::vector<std::string> tracked_files_and_others() { return git_ls_files("--cached --others --exclude-standard"); }

bool is_cpp(const std::string& path) {
    const std::string extension = std::filesystem::path(path).extension();
    return extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh";
}

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(root / path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

std::string code_only(const std::string& text) {
    std::string code = text;
    const auto blank = [&](size_t from, size_t to) {
        for (size_t i = from; i < to; ++i) {
            if (code[i] != '\n') code[i] = ' ';
        }
    };
    bool line_is_empty = true;
    for (size_t i = 0; i < text.size();) {
        size_t end = skip_non_code(text, i);
        if (text[i] == '#' && line_is_empty) {
            end = i;
            do end = std::min(text.find('\n', end + 1), text.size());
            while (end < text.size() && text[end - 1] == '\\');
        }
        blank(i, end);
        if (text[i] == '\n')
            line_is_empty = true;
        else if (end == i && text[i] != ' ' && text[i] != '\t')
            line_is_empty = false;
        i = std::max(end, i + 1);
    }
    return code;
}

std::vector<Function> functions(const std::string& text) {
    const std::string code = code_only(text);
    std::vector<Function> found;
    int line = 1, head_line = 1, parentheses = 0;
    int depth = 0;      // of braces inside a function or an initialiser
    bool body = false;  // of a function
    std::string head;
    for (const char c : code) {
        if (c == '\n') ++line;
        if (depth > 0) {
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (depth > 0) continue;
            if (body) found.push_back({head_line, line - head_line + 1});
            if (body) head.clear();
        } else if (c == '{' && parentheses == 0 && opens_scope(head)) {
            head.clear();
        } else if (c == '{') {
            depth = 1;
            body = parentheses == 0 && opens_function(head);
        } else if ((c == ';' && parentheses == 0) || c == '}') {
            head.clear();
        } else {
            parentheses += c == '(' ? 1 : c == ')' ? -1 : 0;
            if (head.empty() && !std::isspace(static_cast<unsigned char>(c))) head_line = line;
            if (!head.empty() || !std::isspace(static_cast<unsigned char>(c))) head += c;
        }
    }
    return found;
}

}  // namespace tandem::style
