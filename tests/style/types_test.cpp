// One definition of each name: two types of one name, each in a source of its own, compile and link into one program
// that takes the members of one for those of the other.
#include <doctest/doctest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/style/source.h"

using namespace tandem::style;

namespace {

// What a brace after `head` (the code since the last statement) opens.
struct Scope {
    enum class Kind { space, unnamed_space, type, other } kind = Kind::other;
    std::string name = {};
};

Scope scope_after(const std::string& head) {
    static const std::regex space(R"(^\s*(?:inline\s+)?namespace\s*([\w:]*)\s*$)");
    static const std::regex type(R"(\b(?:struct|class|union|enum)\s+(?:class\s+)?(?:\[\[[^\]]*\]\]\s*)?)"
                                 R"((?:\w+\s*\([^)]*\)\s*)*(\w+)\s*(?:final\s*)?(?::[^:][\s\S]*)?$)");
    std::smatch match;
    if (std::regex_match(head, match, space))
        return {match[1].length() ? Scope::Kind::space : Scope::Kind::unnamed_space, match[1].str() + "::"};
    if (std::regex_search(head, match, type)) return {Scope::Kind::type, match[1].str()};
    return {};
}

// Of the types that a file defines in namespaces with a name.
std::set<std::string> type_names(const std::string& text) {
    std::set<std::string> found;
    std::vector<Scope> around;
    std::string head;
    for (const char c : code_only(text)) {
        if (c == '{') {
            Scope scope = scope_after(head);
            std::string name;
            bool seen = scope.kind == Scope::Kind::type;
            for (const Scope& s : around) {
                seen &= s.kind == Scope::Kind::space;
                name += s.name;
            }
            if (seen) found.insert(name + scope.name);
            around.push_back(std::move(scope));
        }
        if (c == '}' && !around.empty()) around.pop_back();
        if (c == '{' || c == '}' || c == ';') head.clear();
        else head += c;
    }
    return found;
}

}  // namespace

TEST_CASE("style: no two types have one name") {
    std::map<std::string, std::string> file_of;
    for (const std::string& path : tracked_files_and_others()) {
        if (!is_cpp(path) || path.starts_with("tests/")) continue;
        std::string text;
        for (const std::string& line : lines_of(path)) text += line + "\n";
        for (const std::string& name : type_names(text)) {
            const auto [at, is_new] = file_of.emplace(name, path);
            CHECK_MESSAGE(is_new, name, " in ", at->second, " and in ", path);
        }
    }
    CHECK(file_of.size() > 200);
}

TEST_CASE("style: the type finder sees definitions in named namespaces, and only those") {
    const std::string text =
        "namespace a::b {\n"
        "struct C final : public D<int> { struct Inner { int x; }; };\n"
        "enum class E : unsigned char { one };\n"
        "template <class T> class alignas(16) F { T t; };\n"
        "template <> struct G<int> { };\n"
        "struct Declared;\n"
        "namespace { struct Hidden { }; }\n"
        "struct C make() { struct Local { }; return {}; }\n"
        "}\n"
        "struct H { };\n";
    CHECK(type_names(text) == std::set<std::string>{"a::b::C", "a::b::E", "a::b::F", "H"});
}
