#include "models/text/tokenizer/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>

#include "models/text/tokenizer/pattern.h"
#include "models/text/tokenizer/read_pattern.h"
#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"

namespace tandem::text {
namespace {

Normalizer prepend(std::string what) {
    return [what = std::move(what)](AlignedText text) {
        AlignedText out;
        out.reserve(text.size() + what.size());
        out.insert_before(text, 0, what);
        out.append(text, 0, text.size());
        return out;
    };
}

Normalizer replace(Pattern pattern, std::string by) {
    return [pattern = std::move(pattern), by = std::move(by)](AlignedText text) {
        AlignedText out;
        out.reserve(text.size());
        for (const Stretch& s : pattern.stretches(text.view())) {
            if (!s.match) out.append(text, s.begin, s.end);
            else if (s.begin != s.end) out.append(by, text.origin(s.begin, s.end));
            else if (s.begin < text.size()) out.insert_before(text, s.begin, by);
            else out.append(by, {text.origin(0, s.begin).end, text.origin(0, s.begin).end});
        }
        return out;
    };
}

std::string composed(std::string_view text) {
    utf8proc_uint8_t* out = nullptr;
    auto bytes = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), utf8proc_ssize_t(text.size()),
                              &out, utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (bytes < 0) throw Error(std::string("[tokenizer] NFC failed: ") + utf8proc_errmsg(bytes));
    std::string result(reinterpret_cast<const char*>(out), std::size_t(bytes));
    std::free(out);
    return result;
}

// Whether canonical composition never joins this character to what stands before it. Wider than need be: all
// marks, and the Hangul vowels and finals.
bool starts_anew(std::uint32_t c) {
    if (c < 0x300) return true;
    if (c >= 0x1160 && c <= 0x11FF) return false;
    auto category = utf8proc_category(utf8proc_int32_t(c));
    return category != UTF8PROC_CATEGORY_MN && category != UTF8PROC_CATEGORY_MC && category != UTF8PROC_CATEGORY_ME;
}

AlignedText nfc(AlignedText text) {
    std::string_view in = text.view();
    if (composed(in) == in) return text;
    AlignedText out;
    out.reserve(text.size());
    for (std::size_t begin = 0, end; begin < in.size(); begin = end) {
        end = begin + char_bytes(in[begin]);
        while (end < in.size() && !starts_anew(code_point(in, end))) end += char_bytes(in[end]);
        std::string_view piece = text.view(begin, end);
        if (end == begin + 1) {
            out.append(text, begin, end);
            continue;
        }
        std::string now = composed(piece);
        if (now == piece) out.append(text, begin, end);
        else out.append(now, text.origin(begin, end));
    }
    return out;
}

void read(const JsonNode& node, std::vector<Normalizer>& steps) {
    std::string type = node.at("type").string();
    if (type == "Sequence")
        for (const JsonNode& item : node.at("normalizers").items()) read(item, steps);
    else if (type == "Prepend") steps.push_back(prepend(node.at("prepend").string()));
    else if (type == "Replace") steps.push_back(replace(read_pattern(node.at("pattern")), node.at("content").string()));
    else if (type == "NFC") steps.push_back(nfc);
    else
        node.at("type").fail("the normalizer \"" + type +
                             "\" is not supported (known: Sequence, Prepend, Replace, NFC)");
}

}  // namespace

std::vector<Normalizer> read_normalizers(const JsonNode& node) {
    std::vector<Normalizer> steps;
    if (!node.is_null()) read(node, steps);
    return steps;
}

AlignedText normalize(const std::vector<Normalizer>& steps, AlignedText text) {
    for (const Normalizer& step : steps)
        if (text.size() > 0) text = step(std::move(text));
    return text;
}

}  // namespace tandem::text
