// Regular expressions over the paths of modules, as Python's re has them, matched with PCRE2.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

class PathPattern {
  public:
    // `where` begins the sentence of every InputError: about a pattern that PCRE2 refuses, or one that takes too many
    // steps to match.
    PathPattern(std::string_view python, std::string where);

    bool matches_whole(std::string_view path) const;  // re.fullmatch

    // re.match: from the path's first character on.
    struct Start {
        std::string_view index;  // what the group named idx holds; empty where it took no part
    };
    std::optional<Start> matches_start(std::string_view path) const;

  private:
    [[noreturn]] void fail(std::string_view path, int error) const;
    std::string pattern_, where_;
    std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace tandem
