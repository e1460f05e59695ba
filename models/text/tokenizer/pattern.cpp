#include "models/text/tokenizer/pattern.h"

#include <pcre2.h>

#include <algorithm>

#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"

namespace tandem::text {
namespace {

std::string pcre_message(int code) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(code, message, sizeof message);
    return reinterpret_cast<const char*>(message);
}

struct MatchData {
    explicit MatchData(const pcre2_code* code) : data(pcre2_match_data_create_from_pattern(code, nullptr)) {
        if (!data) throw std::bad_alloc();
    }
    ~MatchData() { pcre2_match_data_free(data); }
    MatchData(const MatchData&) = delete;
    MatchData& operator=(const MatchData&) = delete;
    pcre2_match_data* data;
};

// The next match from `from` on.
bool search(const pcre2_code* code, MatchData& match, std::string_view text, std::size_t from, Stretch& found) {
    auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, match.data, nullptr);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)  // the interpreter keeps its stack on the heap
        rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match.data, nullptr);
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    if (rc < 0) throw Error("[tokenizer] a pattern failed on a text of " + std::to_string(text.size()) + " bytes: " +
                            pcre_message(rc) + "; split the text");
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.data);
    found = {ends[0], ends[1], true};
    return true;
}

}  // namespace

Pattern::Pattern(std::string_view pcre, unsigned options) {
    static const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context = [] {
        pcre2_compile_context* c = pcre2_compile_context_create(nullptr);
        if (!c) throw std::bad_alloc();
        pcre2_set_newline(c, PCRE2_NEWLINE_LF);
        pcre2_set_max_pattern_length(c, 1 << 16);
        return std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)>(c,
                                                                                        pcre2_compile_context_free);
    }();
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(), options | PCRE2_UTF,
                                     &error, &at, context.get());
    if (!code) throw InputError("the pattern does not compile: " + pcre_message(error));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
    code_ = std::shared_ptr<const void>(code, [](const void* c) {
        pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(c)));
    });
}

Pattern Pattern::regex(std::string_view oniguruma) {
    return Pattern(pcre_from_oniguruma(oniguruma), PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
}

Pattern Pattern::literal(std::string_view text) { return Pattern(text, PCRE2_LITERAL); }

Pattern Pattern::rust_word_character() {
    return Pattern(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}])", PCRE2_UCP);
}

std::vector<Stretch> Pattern::stretches(std::string_view text) const {
    if (text.empty()) return {{0, 0, false}};
    auto code = static_cast<const pcre2_code*>(code_.get());
    MatchData match(code);
    std::vector<Stretch> out;
    std::size_t from = 0, covered = 0;
    bool matched = false;
    Stretch found{};
    while (from <= text.size() && search(code, match, text, from, found)) {
        if (found.begin == found.end && matched && found.end == covered) {
            from += from < text.size() ? char_bytes(text[from]) : 1;  // no empty match right after a match
            continue;
        }
        if (covered != found.begin) out.push_back({covered, found.begin, false});
        out.push_back(found);
        from = covered = found.end;
        matched = true;
    }
    if (covered != text.size()) out.push_back({covered, text.size(), false});
    return out;
}

std::vector<Stretch> cut(std::vector<Stretch> in, Behaviour behaviour) {
    if (behaviour == Behaviour::isolated) return in;
    std::vector<Stretch> out;
    if (behaviour == Behaviour::removed) {
        std::ranges::copy_if(in, std::back_inserter(out), [](const Stretch& s) { return !s.match; });
        return out;
    }
    bool backwards = behaviour == Behaviour::merged_with_next;
    if (backwards) std::ranges::reverse(in);
    bool previous = false;
    for (const Stretch& s : in) {
        bool join = behaviour == Behaviour::contiguous ? s.match == previous : s.match && !previous;
        if (join && !out.empty()) {
            if (backwards) out.back().begin = s.begin;
            else out.back().end = s.end;
        } else {
            out.push_back(s);
        }
        previous = s.match;
    }
    if (backwards) std::ranges::reverse(out);
    return out;
}

}  // namespace tandem::text
