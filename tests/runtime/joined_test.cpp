#include "runtime/joined.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <vector>

using namespace tandem;

TEST_CASE("joined: texts and numbers, separated, empty ones too") {
    CHECK(joined(std::vector<std::string>{}) == "");
    CHECK(joined(std::vector<std::string>{"a"}) == "a");
    CHECK(joined(std::vector<std::string>{"", "b", ""}) == ", b, ");
    CHECK(joined(std::array<std::string_view, 2>{"x", "yz"}, "/") == "x/yz");
    CHECK(joined(std::array<const char*, 2>{"x", "yz"}) == "x, yz");
    CHECK(joined(std::vector<std::int64_t>{-1, 9223372036854775807}, " ") == "-1 9223372036854775807");
}
