#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tandem::fuzz {

namespace {

constexpr std::size_t most_bytes = 1 << 20;

using namespace std::string_view_literals;
constexpr std::array tokens{
    "null"sv, "true"sv, "false"sv, "{}"sv, "[]"sv, "[[]]"sv, "{\"\":null}"sv, "0"sv, "-0"sv, "-1"sv, "1"sv, "2"sv,
    "0.5"sv,
    "1e999"sv, "-1e-999"sv, "1e30"sv, "255"sv, "4096"sv, "2147483647"sv, "2147483648"sv, "4294967296"sv,
    "9223372036854775807"sv, "-9223372036854775808"sv, "18446744073709551615"sv, "99999999999999999999999"sv, "NaN"sv,
    "\"\""sv, "\"a\""sv, "\"\\ud800\""sv, "\"\\u0000\""sv, "\"\xff\xfe\""sv, "\"é\""sv, "\"\xf0\x9f\x98\x80\""sv,
    "\"(a+)+$\""sv, "\"[\""sv, "\"\\\\p{L}\""sv, "{"sv, "}"sv, "["sv, "]"sv, ":"sv, ","sv, "\""sv, "\\"sv, "\n"sv,
    "\r\n"sv,
    "\0"sv, "\xef\xbb\xbf"sv, "\x1b[2J"sv, "[[[[[[[[[[[[[[[["sv, " "sv};

// Where the JSON number or string that holds or follows `at` begins and ends.
std::pair<std::size_t, std::size_t> token_near(std::string_view text, std::size_t at) {
    auto number = [&](std::size_t i) {
        return std::isdigit(static_cast<unsigned char>(text[i])) || text[i] == '-' || text[i] == '.';
    };
    while (at < text.size() && text[at] != '"' && !number(at)) at++;
    std::size_t end = at;
    if (end < text.size() && text[end] == '"') {
        end = std::min(text.find('"', end + 1), text.size() - 1) + 1;
    } else {
        while (end < text.size() && number(end)) end++;
    }
    return {at, end};
}

}  // namespace

std::string Mutator::next() {
    std::string text = seeds_[below(seeds_.size())];
    for (std::size_t changes = 1 + below(8); changes > 0; changes--) change(text);
    if (text.size() > most_bytes) text.resize(most_bytes);
    return text;
}

void Mutator::change(std::string& text) {
    if (text.empty()) {
        text = tokens[below(tokens.size())];
        return;
    }
    const std::size_t at = below(text.size());
    switch (below(8)) {
        case 0: text[at] = char(text[at] ^ (1 << below(8))); break;
        case 1: text[at] = char(random_()); break;
        case 2: text.insert(at, tokens[below(tokens.size())]); break;
        case 3:
        case 4: replace_token(text); break;
        default: change_range(text);
    }
}

void Mutator::replace_token(std::string& text) {
    auto [begin, end] = token_near(text, below(text.size()));
    text.replace(begin, end - begin, tokens[below(tokens.size())]);
}

void Mutator::change_range(std::string& text) {
    const std::size_t begin = below(text.size()), count = 1 + below(std::min<std::size_t>(text.size() - begin, 256));
    const std::string range = text.substr(begin, count);
    switch (below(5)) {
        case 0: text.erase(begin, count); break;
        case 1: text.insert(begin, range); break;
        case 2: text.insert(below(text.size()), range); break;
        case 3: text.resize(begin); break;
        default: {
            const std::string& other = seeds_[below(seeds_.size())];
            const std::size_t from = below(other.size());
            text.replace(begin, count, other, from, 1 + below(256));
        }
    }
}

}  // namespace tandem::fuzz
