// Regular expressions of tokenizer.json: written for Oniguruma (Ruby syntax), matched with PCRE2.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::text {

// A stretch of the text between matches, or a match (which may be empty).
struct Stretch {
    std::size_t begin, end;
    bool match;
};

enum class Behaviour { isolated, removed, merged_with_previous, merged_with_next, contiguous };

class Pattern {
  public:
    static Pattern regex(std::string_view oniguruma);  // an InputError tells what PCRE2 cannot match alike
    static Pattern literal(std::string_view text);
    static Pattern rust_word_character();  // \w of Rust's regex, which is not Oniguruma's

    // The text cut at its matches, left to right; an empty text is one empty stretch.
    std::vector<Stretch> stretches(std::string_view text) const;

  private:
    Pattern(std::string_view pcre, unsigned options);
    std::shared_ptr<const void> code_;  // pcre2_code
};

// What a split with this behaviour keeps, empty stretches included.
std::vector<Stretch> cut(std::vector<Stretch> stretches, Behaviour behaviour);

// The same language in PCRE2's syntax.
std::string pcre_from_oniguruma(std::string_view pattern);

}  // namespace tandem::text
