// One definition: in one namespace, a type of the name of another's is a mistake that no compiler sees, and one that
// hides another's is one that readers do not.
#include "tests/style/types.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/style/source.h"

using namespace tandem::style;

namespace {

std::string text_of(const std::string& path) {
    std::string text;
    for (const std::string& line : lines_of(path)) text += line + '\n';
    return text;
}

bool is_linked(const std::string& path) {  // with the library; the simulator stands in for CUDA, the others for users
    for (const char* other : {"tests/cudasim/", "tests/embed/", "tools/python/"})
        if (path.starts_with(other)) return false;
    return is_cpp(path);
}

}  // namespace

TEST_CASE("style: no two types have one name, and none in an anonymous namespace hides one outside") {
    std::map<std::string, std::set<std::string>> outside, all;  // by name: files
    for (const std::string& path : tracked_files_and_others()) {
        if (!is_linked(path)) continue;
        for (const NamedType& type : types(text_of(path))) {
            all[type.name].insert(path);
            if (type.has_linkage) outside[type.name].insert(path);
        }
    }
    CHECK(outside.size() > 200);
    for (const auto& [name, files] : outside) {
        std::string where;
        for (const std::string& file : all[name]) where += " " + file;
        CHECK_MESSAGE(all[name].size() == 1, name, ":", where);
    }
}

TEST_CASE("style: the finder of types sees definitions in namespace scope, and only those") {
    const std::string text =
        "namespace a::b {\n"
        "struct Forward;\n"
        "template <class T, class U = V<T>>\n"
        "struct A : C<int> { struct Inner {}; enum class E { x }; };\n"
        "template <> struct A<float> {};\n"
        "enum class Kind : std::uint8_t { one, two };\n"
        "class B final : public D { int m() { struct Local {}; return 0; } };\n"
        "struct alignas(16) Wide { int x[4]; };\n"
        "struct S make(struct S s) { return S{s}; }\n"
        "namespace {\n"
        "union Hidden { int i; };\n"
        "}  // namespace\n"
        "struct Last { int x = 0; } last;\n"
        "}\n";
    std::vector<std::pair<std::string, bool>> found;
    for (const NamedType& type : types(text)) found.emplace_back(type.name, type.has_linkage);
    const std::vector<std::pair<std::string, bool>> expected = {{"A", true},    {"Kind", true},    {"B", true},
                                                                {"Wide", true}, {"Hidden", false}, {"Last", true}};
    CHECK(found == expected);
}
