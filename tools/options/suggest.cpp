#include "tools/options/suggest.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tandem {

namespace {

// "optimizer.learningRate", "learning-rate" and "learning_rate" are one name.
std::string letters(std::string_view name) {
    name.remove_prefix(name.rfind('.') + 1);  // npos + 1 is 0
    std::string out;
    for (char c : name)
        if (c != '_' && c != '-') out += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    return out;
}

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t(0));
    for (std::size_t i = 0; i < a.size(); i++) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); j++) {
            std::size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

struct Candidate {
    std::string letters;
    Suggestion suggestion;
    bool exact = false;  // too short a name to be mistyped
};

std::vector<Candidate> candidates(std::span<const DeclaredOption> declared) {
    std::vector<Candidate> all;
    for (const DeclaredOption& option : declared) {
        all.push_back({letters(option.name), {option.name, ""}});
        if (option.is_switch) all.push_back({"no" + letters(option.name), {option.name, "false"}, true});
    }
    for (const OtherNames& other : other_names()) {
        if (std::ranges::find(declared, other.option, &DeclaredOption::name) == declared.end()) continue;
        for (std::string_view rest = other.names; !rest.empty();) {
            std::string_view name = rest.substr(0, rest.find(' '));
            rest.remove_prefix(std::min(rest.size(), name.size() + 1));
            all.push_back({letters(name), {std::string(other.option), std::string(other.value)}, name.size() < 5});
        }
    }
    return all;
}

}  // namespace

Suggestion suggest(std::string_view unknown, std::span<const DeclaredOption> declared) {
    const std::string wanted = letters(unknown);
    auto far = [&](const Candidate& c) {
        std::size_t d = distance(c.letters, wanted);
        return c.exact && d > 0 ? std::size_t(-1) : d;
    };
    std::vector<Candidate> all = candidates(declared);
    return std::ranges::min_element(all, {}, far)->suggestion;
}

}  // namespace tandem
