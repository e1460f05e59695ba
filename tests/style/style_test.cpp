// The rules of STYLE that a program can check, over every source file of the checkout.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <regex>
#include <set>

#include "tests/style/source.h"

using namespace tandem::style;

namespace {

std::string room_of(const std::string& path) { return path.substr(0, path.find('/')); }

bool is_source(const std::string& path) {
    static const std::regex other(R"((\.cmake|\.sh|CMakeLists\.txt|^tandem|^train|^tests/run|^\.ci/run)$)");
    return is_cpp(path) || std::regex_search(path, other);
}

std::string joined(const std::vector<std::string>& lines) { return fmt::format("{}\n", fmt::join(lines, "\n")); }

void each_line(bool (*selects)(const std::string&), auto visit) {
    for (const std::string& path : tracked_files_and_others()) {
        if (!selects(path)) continue;
        int number = 0;
        for (const std::string& line : lines_of(path)) visit(path, ++number, line);
    }
}

}  // namespace

TEST_CASE("style: a file has at most 400 lines") {
    for (const std::string& path : tracked_files_and_others()) {
        if (is_source(path)) CHECK_MESSAGE(lines_of(path).size() <= 400, path);
    }
}

TEST_CASE("style: a line has at most 120 columns") {
    each_line(is_source, [](const std::string& path, int number, const std::string& line) {
        size_t columns = 0;
        for (const char c : line) columns += (c & 0xC0) != 0x80;  // of UTF-8, the bytes that start a character
        CHECK_MESSAGE(columns <= 120, path, ":", number);
    });
}

TEST_CASE("style: a function has at most 60 lines") {
    int seen = 0;
    for (const std::string& path : tracked_files_and_others()) {
        if (!is_cpp(path)) continue;
        for (const Function& function : functions(joined(lines_of(path)))) {
            CHECK_MESSAGE(function.lines <= 60, path, ":", function.first_line);
            ++seen;
        }
    }
    CHECK(seen > 20);
}

TEST_CASE("style: the function finder sees bodies, and only those") {
    const std::string text =
        "#define F(x) {\n"
        "namespace a { struct B : C<int> {\n"
        "    int m() const { return R\"({{)\"[0] + '{'; }  // {\n"
        "    B(int x)\n"
        "        : x_{x}, y_(x) {\n"
        "    }\n"
        "    std::map<int, int> table = {{1, 2}, {3, 4}};\n"
        "};\n"
        "const Table wide(1, {2,\n"
        "    3});\n"
        "template <typename T, class U = V<T>>\n"
        "auto f(T t) -> decltype(t) {\n"
        "    if (t) { return [&] { return 1'000; }(); }\n"
        "}\n"
        "TEST_CASE(\"x {\") {\n"
        "}}\n";
    std::vector<std::pair<int, int>> found;
    for (const Function& function : functions(text)) found.emplace_back(function.first_line, function.lines);
    const std::vector<std::pair<int, int>> expected = {{3, 1}, {4, 2}, {5, 2}, {11, 4}, {15, 2}};
    CHECK(found == expected);
}

TEST_CASE("style: includes follow the layering of the rooms") {
    const std::set<std::string> all = {"runtime", "quant", "ops", "models", "dist", "tools"};
    const std::map<std::string, std::set<std::string>> allowed = {
        {"runtime", {"runtime"}},
        {"quant", {"runtime", "quant"}},
        {"ops", {"runtime", "quant", "ops"}},
        {"models", {"runtime", "quant", "ops", "models"}},
        {"dist", {"runtime", "dist"}},
        {"tools", all},
        {"tests", {"runtime", "quant", "ops", "models", "dist", "tools", "tests"}},
    };
    const std::regex include(R"(^\s*#\s*include\s*"([^"]*)\")");
    each_line(is_cpp, [&](const std::string& path, int number, const std::string& line) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) return;
        CHECK_MESSAGE(allowed.at(room_of(path)).contains(room_of(match[1])), path, ":", number, ": ", line);
        // Of tools only these are embedded: nothing of the command line.
        const std::regex embedded("^tools/(session|check_op)/");
        if (std::regex_search(path, embedded) && room_of(match[1]) == "tools")
            CHECK_MESSAGE(std::regex_search(match[1].str(), embedded), path, ":", number, ": ", line);
    });
}

TEST_CASE("style: CUDA headers stand only in .cu, .cuh and runtime/cuda/") {
    const std::regex cuda(
        R"(^\s*#\s*include\s*<(cuda|cublas|curand|cusparse|cudnn|cub/|nccl|nvml|nvrtc|nvToolsExt|mma\.h|)"
        R"(cooperative_groups))");
    each_line(is_cpp, [&](const std::string& path, int number, const std::string& line) {
        if (path.ends_with(".cu") || path.ends_with(".cuh") || path.starts_with("runtime/cuda/")) return;
        if (path.starts_with("tests/cudasim/")) return;  // stands in for them
        CHECK_MESSAGE(!std::regex_search(line, cuda), path, ":", number, ": ", line);
    });
}

TEST_CASE("style: every header starts with #pragma once") {
    for (const std::string& path : tracked_files_and_others()) {
        if (!path.ends_with(".h") && !path.ends_with(".cuh")) continue;
        CHECK_MESSAGE(joined(lines_of(path)).find("#pragma once\n") != std::string::npos, path);
    }
}

namespace {

// Whether a literal of the line, not a comment, holds a flag of a command line.
bool names_flag(const std::string& line) {
    static const std::regex token(R"(//.*|'(\\.|[^'\\])'|"((\\.|[^"\\])*)\")"), flag(R"((^|[^-\w])--[a-z])");
    for (std::sregex_iterator i(line.begin(), line.end(), token), end; i != end; ++i)
        if ((*i)[2].matched && std::regex_search((*i)[2].first, (*i)[2].second, flag)) return true;
    return false;
}

}  // namespace

// Python and C++ have no flags: setting() of runtime/error.h names an option by its key.
TEST_CASE("style: only the command line's own messages name flags") {
    const std::regex library(R"(^((runtime|quant|ops|models|dist)/|tools/(session|python)/))");
    int seen = 0;
    each_line(is_cpp, [&](const std::string& path, int number, const std::string& line) {
        if (!std::regex_search(path, library)) return;
        ++seen;
        CHECK_MESSAGE(!names_flag(line), path, ":", number, ": ", line);
    });
    CHECK(seen > 10000);
    CHECK(names_flag("f(\"raise --lr\");"));
    CHECK(names_flag("f('\"', \"--lr\");"));
    CHECK(names_flag("\"a \\\" (--lr)\""));
    CHECK(!names_flag("f(\"a\", --i, \"b\"); // \"--lr\""));
    CHECK(!names_flag("if (--s == 0) f(\"-DA a--b ---c\");"));
}

TEST_CASE("style: the top level holds what the design allows") {
    const std::set<std::string> allowed = {"CMakeLists.txt", "runtime",   "ops",     "models",
                                           "quant",          "dist",      "tools",   "tests",
                                           "third_party",    "README.md", "LICENSE", "CMakePresets.json",
                                           "train",          "tandem"};
    for (const std::string& path : tracked_files()) {
        const std::string top = room_of(path);
        CHECK_MESSAGE((top[0] == '.' || allowed.contains(top)), path);
    }
}

TEST_CASE("style: no file names a path of the machine it was made on") {
    const std::regex machine_path(R"((^|[^\w./])/(work|tmp/wt)/)");
    const auto any = [](const std::string&) { return true; };
    each_line(any, [&](const std::string& path, int number, const std::string& line) {
        if (line.size() > 4096 || path.starts_with("tests/golden/")) return;  // data, not written by hand
        CHECK_MESSAGE(!std::regex_search(line, machine_path), path, ":", number);
    });
}

TEST_CASE("style: the build can be a part of another project's and changes nothing of it") {
    const std::regex of_all(
        R"(CMAKE_(SOURCE|BINARY)_DIR|(add_(compile_options|link_options|compile_definitions|definitions))"
        R"(|include_directories|link_libraries|link_directories)\(|CMAKE_(CXX|CUDA)_(FLAGS|STANDARD))");
    const std::regex of_a_target(R"(target_(include_directories|link_libraries)\()");
    const auto is_cmake = [](const std::string& path) {
        return path.ends_with(".cmake") || path.ends_with("CMakeLists.txt");
    };
    each_line(is_cmake, [&](const std::string& path, int number, const std::string& line) {
        const std::string rest = std::regex_replace(line, of_a_target, "");
        CHECK_MESSAGE(!std::regex_search(rest, of_all), path, ":", number, ": ", line);
    });
}

namespace {

// The parameters of every declaration, definition and call in the text that has no parentheses inside its own.
std::vector<std::vector<std::string>> parameter_lists(const std::string& code) {
    static const std::regex list(R"([\w>]\s*\(([^(){};]*)\))");
    std::vector<std::vector<std::string>> found;
    for (std::sregex_iterator i(code.begin(), code.end(), list), end; i != end; ++i) {
        std::vector<std::string> parts(1);
        int depth = 0;
        for (const char c : (*i)[1].str()) {
            depth += (c == '<') - (c == '>');
            if (c == ',' && depth == 0) parts.emplace_back();
            else parts.back() += c;
        }
        found.push_back(std::move(parts));
    }
    return found;
}

// A condition that is handed on is no switch.
bool is_switch(const std::string& parameter) {
    static const std::regex flag(R"(^\s*bool\s+(\w+)(\s*=[^=]*)?\s*$)");
    std::smatch match;
    return std::regex_match(parameter, match, flag) && match[1] != "holds" && match[1] != "otherwise";
}

bool is_declared(const std::string& parameter) {
    static const std::regex declaration(R"(^\s*(const\s+)?[\w:]+(<.*>)?[\s*&]+\w+(\s*=[^=]*)?\s*$)");
    return std::regex_match(parameter, declaration);
}

}  // namespace

// Kernels take bare pointers and numbers, as many as they need.
TEST_CASE("style: no positional booleans, and a struct for more than six arguments") {
    int seen = 0;
    for (const std::string& path : tracked_files_and_others()) {
        if ((!path.ends_with(".h") && !path.ends_with(".cpp")) || path.starts_with("tests/")) continue;
        if (path.find("_avx") != std::string::npos) continue;
        for (const auto& parameters : parameter_lists(code_only(joined(lines_of(path))))) {
            ++seen;
            const bool declares = std::all_of(parameters.begin(), parameters.end(), is_declared);
            if (!declares || parameters.size() == 1) continue;
            CHECK_MESSAGE(std::none_of(parameters.begin(), parameters.end(), is_switch), path, ": ", parameters[0]);
            CHECK_MESSAGE(parameters.size() <= 6, path, ": ", parameters.size(), " after ", parameters[0]);
        }
    }
    CHECK(seen > 1000);
}

TEST_CASE("style: the parameter finder sees switches, and only those") {
    const auto lists =
        parameter_lists("void f(const A& a, bool all); g(a, b == true); h(std::map<int, B> m, bool holds)");
    REQUIRE(lists.size() == 3);
    CHECK((is_declared(lists[0][0]) && is_switch(lists[0][1])));
    CHECK(!is_declared(lists[1][1]));
    CHECK((lists[2].size() == 2 && !is_switch(lists[2][1])));
}
