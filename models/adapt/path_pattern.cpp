#include "models/adapt/path_pattern.h"

#include <fmt/core.h>
#include <pcre2.h>

#include <algorithm>
#include <new>

#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {

namespace {

// Paths have some forty bytes: a pattern that needs more steps than this is one that never ends on a longer path.
constexpr std::uint32_t most_steps = 1'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The same language in PCRE2's syntax, of what the two understand differently.
class Translation {
  public:
    explicit Translation(std::string_view python) : in_(python), verbose_(begins_verbose(python)) {}

    std::string run() {
        bool in_class = false;
        while (at_ < in_.size()) {
            char c = in_[at_];
            if (c == '\\') {
                escape();
            } else if (in_class) {
                out_ += c == '[' ? "\\[" : std::string(1, c);  // Python knows no [:alpha:]
                in_class = c != ']';
                at_++;
            } else if (c == '[') {
                in_class = true;
                open_class();
            } else if (c == '{') {
                repetition();
            } else if (c == '#' && verbose_) {
                comment('\n');
            } else if (in_.substr(at_, 3) == "(?#") {
                comment(')');
            } else {
                out_ += c;
                at_++;
            }
        }
        return std::move(out_);
    }

  private:
    // "(?x)", maybe with other flags: a global flag stands at the start.
    static bool begins_verbose(std::string_view python) {
        std::string_view flags = python.substr(0, python.find_first_of("):"));
        return flags.starts_with("(?") && flags.size() < python.size() && python[flags.size()] == ')' &&
               flags.find('x') != flags.npos && flags.find_first_not_of("aiLmsux", 2) == flags.npos;
    }

    void comment(char last) {
        std::size_t end = std::min(in_.find(last, at_), in_.size() - 1) + 1;
        out_ += in_.substr(at_, end - at_);
        at_ = end;
    }

    void escape() {
        char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
        if (c == 'v')
            out_ += "\\x0b";  // PCRE2: any vertical space
        else if (c == 'Z')
            out_ += "\\z";  // PCRE2: before a last newline, too
        else
            out_ += in_.substr(at_, 2);
        at_ += 2;
    }

    // A ']' that comes first is a member.
    void open_class() {
        out_ += in_[at_++];
        if (at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
        if (at_ < in_.size() && in_[at_] == ']') out_ += "\\]", at_++;
    }

    // {m}, {m,}, {,n}, {m,n}, {,}; any other brace is a character.
    void repetition() {
        std::size_t end = at_ + 1;
        auto digits = [&] {
            std::size_t from = end;
            while (end < in_.size() && is_digit(in_[end])) end++;
            return std::string(in_.substr(from, end - from));
        };
        std::string least = digits(), rest;
        bool comma = end < in_.size() && in_[end] == ',';
        if (comma) end++, rest = "," + digits();
        if (end >= in_.size() || in_[end] != '}' || (least.empty() && !comma)) {
            out_ += "\\{";
            at_++;
        } else {
            out_ += "{" + (least.empty() ? "0" : least) + rest + "}";
            at_ = end + 1;
        }
    }

    std::string_view in_;
    bool verbose_;
    std::size_t at_ = 0;
    std::string out_;
};

std::string pcre_message(int code) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(code, message, sizeof message);
    return reinterpret_cast<const char*>(message);
}

template <class T, void (*free)(T*)> struct Freed {
    void operator()(T* p) const { free(p); }
};
template <class T, void (*free)(T*)> using Owned = std::unique_ptr<T, Freed<T, free>>;
template <class T> T* made(T* p) {
    if (!p) throw std::bad_alloc();
    return p;
}
using CompileContext = Owned<pcre2_compile_context, pcre2_compile_context_free>;
using MatchContext = Owned<pcre2_match_context, pcre2_match_context_free>;
using MatchData = Owned<pcre2_match_data, pcre2_match_data_free>;

MatchData match_data(const pcre2_code* code) {
    return MatchData(made(pcre2_match_data_create_from_pattern(code, nullptr)));
}

// Number of groups that matched, plus one; 0 or less: no match, or an error.
int match(const pcre2_code* code, std::string_view path, std::uint32_t options, pcre2_match_data* data) {
    MatchContext context(made(pcre2_match_context_create(nullptr)));
    pcre2_set_match_limit(context.get(), most_steps);
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(path.data()), path.size(), 0, PCRE2_ANCHORED | options, data,
                       context.get());
}

}  // namespace

PathPattern::PathPattern(std::string_view python, std::string where) : pattern_(python), where_(std::move(where)) {
    std::string pcre = Translation(python).run();
    CompileContext context(made(pcre2_compile_context_create(nullptr)));
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context.get(), 1 << 16);
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, context.get());
    if (!code)
        throw InputError(
            fmt::format("{} is the pattern '{}', which does not compile: {}; correct it, or list the modules", where_,
                        excerpt(pattern_), pcre_message(error)));
    code_ = std::shared_ptr<const void>(
        code, [](const void* c) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(c))); });
}

bool PathPattern::matches_whole(std::string_view path) const {
    auto code = static_cast<const pcre2_code*>(code_.get());
    MatchData data = match_data(code);
    int groups = match(code, path, PCRE2_ENDANCHORED, data.get());
    if (groups < 0 && groups != PCRE2_ERROR_NOMATCH) fail(path, groups);
    return groups > 0;
}

std::optional<PathPattern::Start> PathPattern::matches_start(std::string_view path) const {
    auto code = static_cast<const pcre2_code*>(code_.get());
    MatchData data = match_data(code);
    int groups = match(code, path, 0, data.get());
    if (groups == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (groups < 0) fail(path, groups);
    int number = pcre2_substring_number_from_name(code, reinterpret_cast<PCRE2_SPTR>("idx"));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    if (number <= 0 || number >= groups || ends[2 * number] == PCRE2_UNSET) return Start{};
    return Start{path.substr(ends[2 * number], ends[2 * number + 1] - ends[2 * number])};
}

void PathPattern::fail(std::string_view path, int error) const {
    throw InputError(
        fmt::format("{} is the pattern '{}', which fails on '{}': {}; write it simpler, or list the modules", where_,
                    excerpt(pattern_), excerpt(path), pcre_message(error)));
}

}  // namespace tandem
