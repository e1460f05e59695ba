#include "tests/style/types.h"

#include <algorithm>
#include <regex>

#include "tests/style/source.h"

namespace tandem::style {
namespace {

enum class Scope { named, anonymous, other };

bool is_namespace(Scope scope) { return scope != Scope::other; }

// What a brace opens after `head`, the code since the last statement; a type that it defines goes to `name`.
Scope scope_after(const std::string& head, std::string& name) {
    static const std::regex templates(R"(template\s*<[^<>]*(<[^<>]*>[^<>]*)*>)");
    static const std::regex space(R"(^\s*(?:inline\s+)?namespace\s*([\w:]*)\s*$)");
    static const std::regex type(R"(^\s*(?:class|struct|union|enum(?:\s+class|\s+struct)?)\s+)"
                                 R"((?:alignas\s*\([^()]*\)\s*)?(\w+)\s*(?:final\s*)?(?::[^:].*)?$)");
    std::smatch match;
    if (std::regex_match(head, match, space)) return match[1].length() ? Scope::named : Scope::anonymous;
    const std::string plain = std::regex_replace(head, templates, "");
    if (std::regex_match(plain, match, type)) name = match[1];
    return Scope::other;
}

}  // namespace

std::vector<NamedType> types(const std::string& text) {
    std::vector<NamedType> found;
    std::vector<Scope> open;
    std::string head;
    for (const char c : code_only(text)) {
        if (c == '{') {
            std::string name;
            const bool outside = std::all_of(open.begin(), open.end(), is_namespace);
            const bool linkage = std::find(open.begin(), open.end(), Scope::anonymous) == open.end();
            open.push_back(outside ? scope_after(head, name) : Scope::other);
            if (!name.empty()) found.push_back({name, linkage});
        } else if (c == '}' && !open.empty()) {
            open.pop_back();
        }
        if (c == '{' || c == '}' || c == ';') head.clear();
        else head += c == '\n' ? ' ' : c;
    }
    return found;
}

}  // namespace tandem::style
