#include "runtime/json.h"

#include <doctest/doctest.h>

#include <limits>

#include "runtime/utf8.h"

using namespace tandem;

namespace {

Json parsed(std::string_view text) { return std::get<Json>(Json::parse(text)); }
std::string problem(std::string_view text) {
    auto result = Json::parse(text);
    auto* p = std::get_if<Json::Problem>(&result);
    return p ? p->what : "";
}
bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("json: what is written is read back, byte for byte") {
    for (const char* text :
         {"null", "true", "[]", "{}", "-9223372036854775808", "0.1", "1.0", "1e-05", "1.7976931348623157e+308",
          R"({"b":[1,2.5,"x\n\"\\é",null],"a":{"c":false}})", R"("\u0001")"})
        CHECK(parsed(text).text() == text);
    CHECK(parsed(R"({"a":[1,{}],"b":[]})").text(1) == "{\n \"a\": [\n  1,\n  {}\n ],\n \"b\": []\n}");
    CHECK(parsed("18446744073709551615").kind() == Json::Kind::real);
    CHECK(Json(std::numeric_limits<double>::quiet_NaN()).text() == "null");
    CHECK(Json("caf\xe9").text() == "\"caf\uFFFD\"");
}

TEST_CASE("json: members in their order, the last of equal names counts") {
    Json j = parsed(R"({"a":1,"b":2,"a":3})");
    CHECK(j.object().size() == 3);
    CHECK(j.at("a").integer() == 3);
    CHECK(j.find("c") == nullptr);
    CHECK(parsed(R"({"a":1,"b":2.0})") == parsed(R"({"b":2,"a":1.0})"));
    CHECK(parsed("[1,2]") != parsed("[2,1]"));
    CHECK(parsed(R"({"a":1})") != parsed(R"({"b":1})"));
    j.erase("a");
    j["c"] = true;
    CHECK(j.text() == R"({"b":2,"c":true})");
}

TEST_CASE("json: what is wrong is a sentence, however deep, long or raw it is") {
    CHECK(contains(problem(std::string(100000, '[')), "nested deeper than 512 levels"));
    CHECK(contains(problem("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"), "nested deeper"));
    CHECK(problem(std::string(512, '[') + std::string(512, ']')).empty());
    CHECK(contains(problem(std::string("[1]\0x", 5)), "NUL byte"));
    CHECK(contains(problem("{\"a\": 1"), "line 1"));
    const std::string long_text = "\"" + std::string(1 << 20, 'x');
    for (const std::string& bad : {std::string("[\"\xff\xfe"), long_text, std::string("\x1b[2J")}) {
        std::string what = problem(bad);
        CHECK(!what.empty());
        CHECK(what.size() < 1100);
        CHECK(valid_utf8(what) == what.size());
        CHECK(!contains(what, "\x1b"));
    }
}

TEST_CASE("bytes of a file are shown without control characters, as UTF-8") {
    CHECK(printable("a\tb\nc é") == "a\tb\nc é");
    CHECK(printable("\x1b[31m\xff\x7f\xc2\x9b") == "\\x1b[31m\\xff\\x7f\\xc2\\x9b");
    CHECK(excerpt("a\nb", 80) == "a\\x0ab");
    CHECK(excerpt("ééé", 5) == "éé…");
}
