#include "models/adapt/path_pattern.h"

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::string q3 = "model.layers.3.self_attn.q_proj", q12 = "model.layers.12.self_attn.q_proj";

bool matches(const char* pattern, const std::string& path) { return PathPattern(pattern, "f").matches_whole(path); }

std::string refusal(const std::string& pattern, const std::string& path = q3) {
    return message_of<InputError>([&] { PathPattern(pattern, "file: \"key\"").matches_whole(path); });
}

}  // namespace

TEST_CASE("a path pattern matches whole paths as Python's re.fullmatch") {
    for (const char* pattern :
         {R"(.*q_proj)", R"(.*\.(k_proj|q_proj))", R"(model\.layers\.(0|3)\..*)", R"(.*\.self_attn\.[qkv]_proj)",
          R"(^model.*$)", R"(.*q_proj\Z)", R"(\Amodel.*)", R"((?i)MODEL.*)", R"(.*(?<=self_attn\.)\w+)",
          R"(.*layers\.(?!12\.).*)", R"(.*\.(?P<a>[a-z]+)_proj)", R"((?P<x>m)odel.*)", R"((?:model|lm)(\.\w+)*)",
          R"((?x) model .* # a [comment
              \. q_proj)",
          R"((?#a { comment)model.*)", R"(model.*?_proj)", R"(.*\x71_proj)", R"(.*+(?<=proj))"})
        CHECK_MESSAGE(matches(pattern, q3), pattern);
    for (const char* pattern : {R"(q_proj)", R"(model)", R"(.*q_pro)", R"(layers.*)", R"(model\.layers\.3)",
                                R"(.*k_proj|model)", R"(.*\.[kv]_proj)", R"(MODEL.*)", R"(.*layers\.(?!3\.).*)", R"()"})
        CHECK_MESSAGE(!matches(pattern, q3), pattern);
    // What PCRE2 alone would read otherwise.
    CHECK(matches(R"(.*layers\.\d{,1}\.self.*)", q3));
    CHECK_FALSE(matches(R"(.*layers\.\d{,1}\.self.*)", q12));
    CHECK(matches(R"(model.\w{,}.3.*)", q3));
    CHECK(matches(R"(x{y}{ 2})", "x{y}{ 2}"));
    CHECK(matches(R"(a[[:alpha:]])", "a:]"));
    CHECK_FALSE(matches(R"(a[[:alpha:]])", "ab"));
    CHECK(matches(R"([]a]+[^]])", "a]b"));
    CHECK(matches(R"(a\vb)", "a\vb"));
    CHECK_FALSE(matches(R"(a\vb)", "a\nb"));
    CHECK(matches("é+", "éé"));
}

TEST_CASE("a path pattern begins at the start as Python's re.match, and tells a layer") {
    PathPattern p(R"((?:^|.*?\.)layers|h\.(?P<idx>\d+)\.)", "f");
    REQUIRE(p.matches_start(q3));
    CHECK(p.matches_start(q3)->index.empty());
    REQUIRE(p.matches_start("h.7.x"));
    CHECK(p.matches_start("h.7.x")->index == "7");
    CHECK_FALSE(p.matches_start("x.h.7.x"));
}

TEST_CASE("a path pattern that PCRE2 refuses, or that never ends, is a sentence") {
    for (const char* pattern :
         {"(", "[", "*", "a)", "\\", "(?P<a", "a{2,1}", "(?<=a*)b", "\\C", "(?z)", "(?P=a)", "\\u0041"})
        CHECK_MESSAGE(contains(refusal(pattern), "file: \"key\" is the pattern '"), pattern);
    CHECK(contains(refusal("(a{1,65535}){1,65535}"), "does not compile"));
    CHECK(contains(refusal(std::string(70000, 'a')), "does not compile"));
    CHECK(contains(refusal(std::string(1000, '(') + std::string(1000, ')')), "does not compile"));
    std::string endless = refusal("([a-z]+.)+[0-9]", std::string(40, 'a'));
    CHECK(contains(endless, "match limit exceeded"));
    CHECK(contains(endless, "', which fails on 'aaaa"));
    CHECK(contains(refusal("(\n\x01"), R"('(\x0a\x01')"));
}
